#include "edit_text.h"

#include <algorithm>
#include <tuple>

namespace mailroot::config {

namespace {

constexpr std::string_view kBlanks = " \t\r\n";

bool is_blank(char c) { return kBlanks.contains(c); }

// Is there a comment at `at`? A '#' is one at the beginning of a line and behind a blank.
bool begins_comment(std::string_view text, size_t at) {
  return text[at] == '#' && (at == 0 || is_blank(text[at - 1]));
}

size_t end_of_line(std::string_view text, size_t at) {
  return std::min(text.find('\n', at), text.size());
}

// A quote inside a word is part of it; one that begins a word opens a quoted text.
bool begins_word(std::string_view text, size_t at) {
  return at == 0 || is_blank(text[at - 1]) || std::string_view(",:[{").contains(text[at - 1]);
}

}  // namespace

SourceLines::SourceLines(std::string_view text) : text_(text), line_end_("\n") {
  starts_.push_back(0);
  for (size_t at = text.find('\n'); at != std::string_view::npos; at = text.find('\n', at + 1)) {
    if (at + 1 < text.size()) starts_.push_back(at + 1);
  }
  const size_t first = text.find('\n');
  if (first != std::string_view::npos && first > 0 && text[first - 1] == '\r') line_end_ = "\r\n";
}

size_t SourceLines::end(int line) const { return line < count() ? begin(line + 1) : text_.size(); }

std::string_view SourceLines::line(int line) const {
  std::string_view out = text_.substr(begin(line), end(line) - begin(line));
  if (out.ends_with('\n')) out.remove_suffix(1);
  if (out.ends_with('\r')) out.remove_suffix(1);
  return out;
}

size_t SourceLines::offset(int line, int column) const {
  if (line < 1 || line > count()) return text_.size();
  return std::min(begin(line) + static_cast<size_t>(column) - 1, text_.size());
}

int SourceLines::line_of(size_t offset) const {
  const auto after = std::upper_bound(starts_.begin(), starts_.end(), offset);
  return static_cast<int>(after - starts_.begin());
}

size_t SourceLines::indentation(int number) const {
  const std::string_view text = line(number);
  return std::min(text.find_first_not_of(' '), text.size());
}

bool SourceLines::is_comment(int number) const {
  const std::string_view text = line(number);
  const size_t at = text.find_first_not_of(" \t");
  return at != std::string_view::npos && text[at] == '#';
}

bool SourceLines::is_empty(int number) const {
  const std::string_view text = line(number);
  return text.find_first_not_of(" \t") == std::string_view::npos || is_comment(number) ||
         text.starts_with("---") || text.starts_with("...");
}

int SourceLines::last_content(int first, int bound) const {
  int last = std::min(bound, count() + 1) - 1;
  while (last > first && is_empty(last)) --last;
  return last;
}

std::optional<size_t> end_of_quoted(std::string_view text, size_t begin) {
  const char quote = text[begin];
  for (size_t at = begin + 1; at < text.size(); ++at) {
    if (quote == '"' && text[at] == '\\') {
      ++at;
    } else if (text[at] == quote) {
      const bool doubled = quote == '\'' && at + 1 < text.size() && text[at + 1] == quote;
      if (!doubled) return at + 1;
      ++at;
    }
  }
  return std::nullopt;
}

size_t end_of_plain(std::string_view text, size_t begin) {
  size_t end = begin;
  for (size_t at = begin; at < end_of_line(text, begin) && !begins_comment(text, at); ++at) {
    if (!is_blank(text[at])) end = at + 1;
  }
  return end;
}

std::optional<FlowParts> scan_flow(std::string_view text, size_t open) {
  FlowParts parts;
  parts.open = open;
  size_t depth = 0;
  Span entry;  // of depth 1; empty so far when its end is 0
  const auto finish = [&parts, &entry] {
    if (entry.end != 0) parts.entries.push_back(entry);
    entry = {};
  };
  for (size_t at = open; at < text.size(); ++at) {
    const char c = text[at];
    if (is_blank(c)) continue;
    if (begins_comment(text, at)) {
      at = end_of_line(text, at);
      continue;
    }
    const bool closes = c == ']' || c == '}';
    if (closes && --depth == 0) {
      finish();
      parts.close = at;
      return parts;
    }
    if (c == ',' && depth == 1) {
      finish();
      continue;
    }
    if (depth > 0 && entry.end == 0) entry.begin = at;
    if (c == '[' || c == '{') ++depth;
    if ((c == '"' || c == '\'') && begins_word(text, at)) {
      const auto end = end_of_quoted(text, at);
      if (!end) return std::nullopt;
      at = *end - 1;
    }
    if (at != open) entry.end = at + 1;
  }
  return std::nullopt;
}

std::optional<size_t> end_of_value(std::string_view text, size_t begin) {
  if (begin >= text.size()) return std::nullopt;
  switch (text[begin]) {
    case '"':
    case '\'':
      return end_of_quoted(text, begin);
    case '[':
    case '{': {
      const auto parts = scan_flow(text, begin);
      if (!parts) return std::nullopt;
      return parts->close + 1;
    }
    case '|':
    case '>':
    case '&':
    case '*':
    case '!':
      return std::nullopt;
    default:
      return end_of_plain(text, begin);
  }
}

std::optional<std::string> apply_replacements(std::string_view text,
                                              std::vector<Replacement> replacements) {
  // At one place insertions come first, in their order.
  std::vector<size_t> order(replacements.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::sort(order.begin(), order.end(), [&replacements](size_t a, size_t b) {
    const Span& x = replacements[a].where;
    const Span& y = replacements[b].where;
    return std::tuple(x.begin, x.end, a) < std::tuple(y.begin, y.end, b);
  });
  std::string out;
  size_t done = 0;
  for (const size_t i : order) {
    const auto& [where, fresh] = replacements[i];
    if (where.begin < done || where.end < where.begin || where.end > text.size()) {
      return std::nullopt;
    }
    out += text.substr(done, where.begin - done);
    out += fresh;
    done = where.end;
  }
  out += text.substr(done);
  return out;
}

}  // namespace mailroot::config
