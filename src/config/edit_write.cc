#include "edit_write.h"

#include <algorithm>

namespace mailroot::config {

namespace {

bool has_line_end(std::string_view text, Span where) {
  return text.substr(where.begin, where.end - where.begin).contains('\n');
}

// The place in which a null is written, or would be: behind the colon, up to a comment.
Span null_span(std::string_view text, size_t colon) {
  size_t begin = colon;
  while (begin < text.size() && (text[begin] == ' ' || text[begin] == '\t')) ++begin;
  const bool is_end = begin == text.size() || std::string_view("\r\n#").contains(text[begin]);
  if (is_end) return {colon, colon};
  return {colon, end_of_plain(text, begin)};
}

// The quotes of the value that was there, where both mean the same. Numbers and truth values are
// not written in quotes.
std::string in_quotes_of(char old, const std::string& value) {
  const auto node = parse_value(value);
  if (!node || node->kind != Node::Kind::scalar || node->text == "true" || node->text == "false") {
    return value;
  }
  const std::string& text = node->text;
  if (text.find_first_not_of("0123456789") == std::string::npos) return value;
  if (old == '"' && !node->quoted) return '"' + text + '"';
  const bool printable = std::all_of(text.begin(), text.end(), [](char c) {
    return static_cast<unsigned char>(c) >= 0x20 && c != 0x7F;
  });
  if (old != '\'' || !printable) return value;
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? "''" : std::string(1, c);
  return out + "'";
}

// A block list or map that goes away: its lines, if no comment would go with them.
std::expected<Replacement, Obstacle> drop_block(const EditPlace& place) {
  const auto& [root, lines, target, edit, order] = place;
  const int first = target.key().line + 1;
  const int last = lines.last_content(target.key().line, target.entry_bound());
  for (int line = first; line <= last; ++line) {
    if (lines.is_comment(line)) {
      return std::unexpected(at_key(target, "a comment stands inside the value"));
    }
  }
  if (last < first) return std::unexpected(at_key(target, "the value is on the line of its key"));
  return Replacement{{lines.begin(first), lines.end(last)}, ""};
}

Replacements put_into_flow(const EditPlace& place, const KeyEnd& key_end,
                           const std::string& value) {
  const std::string_view text = place.lines.text();
  const Target& target = place.target;
  const auto parts = scan_flow(text, place.lines.offset(target.map->line, target.map->column));
  if (!parts || parts->entries.size() != target.map->size()) {
    return std::unexpected(at_key(target, "the braces around it cannot be taken apart"));
  }
  const Span entry = parts->entries[target.position];
  const size_t begin = std::min(text.find_first_not_of(" \t\r\n", key_end.colon), entry.end);
  if (begin <= key_end.colon) {
    return std::vector<Replacement>{{{key_end.colon, entry.end}, " " + value}};
  }
  const Span where{begin, entry.end};
  if (has_line_end(text, where)) {
    return std::unexpected(at_key(target, "its value goes over several lines"));
  }
  return std::vector<Replacement>{{where, in_quotes_of(text[begin], value)}};
}

}  // namespace

Obstacle at_key(const Target& target, std::string text) {
  const Node* const where = target.found ? &target.key() : target.holder;
  if (where == nullptr) return {1, 1, std::move(text)};
  return {where->line, where->column, std::move(text)};
}

Replacements put_value(const EditPlace& place, const std::string& value) {
  const auto& [root, lines, target, edit, order] = place;
  const std::string_view text = lines.text();
  const auto key_end = end_of_key(target.key(), lines);
  if (!key_end) return std::unexpected(at_key(target, "the key is written in an unusual way"));
  if (target.map->flow) return put_into_flow(place, *key_end, value);
  const Node& old = target.value();
  if (old.kind == Node::Kind::null) {
    return std::vector<Replacement>{{null_span(text, key_end->colon), " " + value}};
  }
  const bool is_block = old.kind != Node::Kind::scalar && !old.flow;
  if (is_block) {
    auto drop = drop_block(place);
    if (!drop) return std::unexpected(std::move(drop.error()));
    return std::vector<Replacement>{{{key_end->colon, key_end->colon}, " " + value},
                                    std::move(*drop)};
  }
  const size_t begin = lines.offset(old.line, old.column);
  const auto end = end_of_value(text, begin);
  if (!end) return std::unexpected(at_key(target, "its value is written in an unusual way"));
  if (old.flow && has_line_end(text, {begin, *end})) {
    return std::unexpected(at_key(target, "its value goes over several lines"));
  }
  return std::vector<Replacement>{{{begin, *end}, in_quotes_of(text[begin], value)}};
}

Replacements replace_value(const EditPlace& place) {
  return put_value(place, place.edit.values.front());
}

namespace {

Replacements erase_from_flow(const EditPlace& place) {
  const std::string_view text = place.lines.text();
  const Target& target = place.target;
  const auto parts = scan_flow(text, place.lines.offset(target.map->line, target.map->column));
  if (!parts || parts->entries.size() != target.map->size()) {
    return std::unexpected(at_key(target, "the braces around it cannot be taken apart"));
  }
  const auto& entries = parts->entries;
  const size_t i = target.position;
  Span where{parts->open + 1, parts->close};
  if (i > 0) {
    where = {entries[i - 1].end, entries[i].end};
  } else if (entries.size() > 1) {
    where = {entries[0].begin, entries[1].begin};
  }
  if (has_line_end(text, where)) {
    return std::unexpected(at_key(target, "the braces around it go over several lines"));
  }
  return std::vector<Replacement>{{where, ""}};
}

bool holds_comment(const SourceLines& lines, int first, int last) {
  for (int line = first; line <= last; ++line) {
    if (lines.is_comment(line)) return true;
  }
  return false;
}

}  // namespace

Replacements erase_key(const EditPlace& place) {
  const auto& [root, lines, target, edit, order] = place;
  if (target.map->flow) return erase_from_flow(place);
  Target::Level level{target.map, target.position, target.bound};
  int first = target.key().line;
  int last = lines.last_content(first, target.entry_bound());
  // Sections that would be empty go too, unless that takes a comment away.
  for (size_t i = target.levels.size(); i-- > 0 && level.map->size() == 1;) {
    const Target::Level& outer = target.levels[i];
    const int section = outer.map->key(outer.position).line;
    if (outer.map->flow || holds_comment(lines, section, last)) break;
    level = outer;
    first = section;
  }
  const Node& key = level.map->key(level.position);
  if (lines.indentation(first) + 1 != static_cast<size_t>(key.column)) {
    return std::unexpected(at_key(target, "it stands on the line of its entry's dash"));
  }
  return std::vector<Replacement>{{{lines.begin(first), lines.end(last)}, ""}};
}

}  // namespace mailroot::config
