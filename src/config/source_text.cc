#include "source_text.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <system_error>

#include "mailroot/config/limits.h"
#include "mailroot/smtp/grammar.h"

namespace mailroot::config {

namespace {

std::unexpected<Problem> about_file(const std::string& file, std::string text) {
  Problem problem;
  problem.place.file = file;
  problem.text = std::move(text);
  return std::unexpected(std::move(problem));
}

std::unexpected<Problem> about_line(const std::string& file, int line, size_t column,
                                    std::string text) {
  Problem problem;
  problem.place = {file, line, static_cast<int>(column)};
  problem.text = std::move(text);
  return std::unexpected(std::move(problem));
}

// By its first octet (RFC 3629); 1 for octets that begin none.
size_t character_length(char first) {
  const auto octet = static_cast<unsigned char>(first);
  if (octet >= 0xF0) return 4;
  if (octet >= 0xE0) return 3;
  return octet >= 0xC0 ? 2 : 1;
}

// The first octet of `line` that cannot be, and why; empty when all are fine.
std::string find_bad_octet(std::string_view line, size_t& column) {
  bool indentation = true;
  const bool blank = line.find_first_not_of(" \t\r") == std::string_view::npos;
  for (size_t i = 0; i < line.size(); ++i) {
    const auto octet = static_cast<unsigned char>(line[i]);
    column = i + 1;
    if (octet == '\t' && indentation && !blank) return "a tab in the indentation; use spaces";
    if (octet == '\r' && i + 1 == line.size()) continue;
    if ((octet < 0x20 && octet != '\t') || octet == 0x7F) {
      return fmt::format("control character 0x{:02X}", octet);
    }
    if (octet != ' ') indentation = false;
  }
  if (smtp::is_valid_utf8(line)) return {};
  size_t i = 0;
  while (i < line.size() && smtp::is_valid_utf8(line.substr(i, character_length(line[i])))) {
    i += character_length(line[i]);
  }
  column = i + 1;
  return "octets that are not UTF-8";
}

}  // namespace

bool is_open_to_others(const std::string& file) {
  std::error_code error;
  const auto status = std::filesystem::status(file, error);
  return (status.permissions() & std::filesystem::perms::others_read) !=
         std::filesystem::perms::none;
}

std::expected<std::string, Problem> read_source(const std::string& file, size_t size_max) {
  std::error_code error;
  const auto status = std::filesystem::status(file, error);
  if (status.type() == std::filesystem::file_type::not_found) {
    return about_file(file, "there is no such file");
  }
  if (error) return about_file(file, "cannot be read: " + error.message());
  // A FIFO would block us for ever, a device might never end.
  if (!std::filesystem::is_regular_file(status)) return about_file(file, "is not a regular file");
  errno = 0;
  std::ifstream stream(file, std::ios::binary);
  if (!stream) return about_file(file, fmt::format("cannot be read: {}", std::strerror(errno)));
  const uintmax_t size = std::filesystem::file_size(file, error);
  std::string text(error || size >= size_max ? size_max + 1 : size + 1, '\0');
  stream.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (stream.bad()) return about_file(file, fmt::format("cannot be read: {}", strerror(errno)));
  text.resize(static_cast<size_t>(stream.gcount()));
  if (text.size() > size_max) {
    return about_file(file, fmt::format("is larger than {} KiB", size_max / kKiB));
  }
  return text;
}

std::expected<void, Problem> check_source(std::string_view text, const std::string& file) {
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  for (int number = 1; !text.empty(); ++number) {
    const size_t end = std::min(text.find('\n'), text.size());
    size_t column = 0;
    std::string bad = find_bad_octet(text.substr(0, end), column);
    if (!bad.empty()) return about_line(file, number, column, std::move(bad));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return {};
}

}  // namespace mailroot::config
