// Files that hold one secret: a password, a client secret, a token. Blocking; never on a shard.
#pragma once

#include <expected>
#include <string>
#include <string_view>

#include "mailroot/sasl/secret.h"

namespace mailroot::config {

// The whole file, or a sentence why not, without the path: "cannot be read: Permission denied".
std::expected<sasl::Secret, std::string> read_secret_file(const std::string& path);
// The same for a secret of one line; its line end does not count.
std::expected<sasl::Secret, std::string> read_secret_line(const std::string& path);
// "can be read by everybody (mode 0644)"; empty: nothing wrong, or no such file.
std::string secret_file_warning(const std::string& path);

// Takes the place of the file in one step (rename), with the old one's owner and mode, else 0600.
// Durable when it returns. The sentence why not, else empty.
std::string replace_secret_file(const std::string& path, std::string_view text);

}  // namespace mailroot::config
