// The daemon's log, wherever it goes: its file with those that were rotated away (.1, -20260305,
// .gz), or the journal. Blocks; reads, never holds more than a line.
#pragma once

#include <expected>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "mailroot/config/snapshot.h"

namespace mailroot::ctl {

// `time`: from the journal; empty for lines of files. False ends the reading.
using SeeLine = std::function<bool(std::string_view line, std::string_view time)>;

// Why nothing, or not all, could be read: a sentence. Files are read oldest first.
std::expected<void, std::string> read_log(const config::Service& service, const SeeLine& see);

// The files that hold the log of `file`, oldest first. Blocks.
std::vector<std::string> log_files(const std::string& file);

}  // namespace mailroot::ctl
