// The list of a backup's files: "crc32c size path" a line. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tree_copy.h"

namespace mailroot::ctl {

std::string manifest_text(const std::vector<CopiedFile>& files);
// Nothing for what is no such line, or a path that leads out of the backup.
std::optional<CopiedFile> parse_manifest_line(std::string_view line);

}  // namespace mailroot::ctl
