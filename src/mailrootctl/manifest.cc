#include "manifest.h"

#include <fmt/format.h>

#include <charconv>

namespace mailroot::ctl {

namespace {

// Names are bytes: a line end in one must not look like the end of the line.
std::string escaped(std::string_view path) {
  std::string out;
  for (const char c : path) {
    const bool is_special = c == '\n' || c == '\\';
    if (is_special) {
      out += c == '\n' ? "\\n" : "\\\\";
    } else {
      out += c;
    }
  }
  return out;
}

std::optional<std::string> unescaped(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      out += text[i];
      continue;
    }
    if (++i == text.size() || (text[i] != 'n' && text[i] != '\\')) return std::nullopt;
    out += text[i] == 'n' ? '\n' : '\\';
  }
  return out;
}

bool leads_out(std::string_view path) {
  return path.empty() || path.front() == '/' || path == ".." || path.starts_with("../") ||
         path.ends_with("/..") || path.contains("/../");
}

}  // namespace

std::string manifest_text(const std::vector<CopiedFile>& files) {
  std::string out;
  for (const CopiedFile& file : files) {
    out += fmt::format("{:08x} {} {}\n", file.crc32c, file.size_bytes, escaped(file.path));
  }
  return out;
}

std::optional<CopiedFile> parse_manifest_line(std::string_view line) {
  constexpr size_t kSumDigits = 8;
  if (line.size() < kSumDigits + 1 || line[kSumDigits] != ' ') return std::nullopt;
  CopiedFile out;
  const char* at = line.data();
  const auto sum = std::from_chars(at, at + kSumDigits, out.crc32c, 16);
  if (sum.ec != std::errc() || sum.ptr != at + kSumDigits) return std::nullopt;
  at += kSumDigits + 1;
  const auto size = std::from_chars(at, line.data() + line.size(), out.size_bytes);
  if (size.ec != std::errc() || size.ptr == line.data() + line.size() || *size.ptr != ' ') {
    return std::nullopt;
  }
  const auto path = unescaped(line.substr(static_cast<size_t>(size.ptr + 1 - line.data())));
  if (!path || leads_out(*path)) return std::nullopt;
  out.path = *path;
  return out;
}

}  // namespace mailroot::ctl
