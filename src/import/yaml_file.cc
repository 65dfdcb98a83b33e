#include "yaml_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <sstream>
#include <tuple>

#include "mailroot/base/bytes.h"
#include "mailroot/config/describe.h"

namespace mailroot::import {

namespace {

constexpr size_t kCommentColumn = 40;
constexpr size_t kWidth = 96;

struct KnownKey {
  size_t rank;
  bool available;
  std::string type;
};

const std::map<std::string, KnownKey, std::less<>>& known_keys() {
  static const auto keys = [] {
    std::map<std::string, KnownKey, std::less<>> out;
    for (auto& key : config::describe_server_keys()) {
      const size_t rank = out.size();
      out.emplace(key.path, KnownKey{rank, key.available, key.type});
    }
    return out;
  }();
  return keys;
}

std::string indent(size_t depth) { return std::string(2 * depth, ' '); }

std::string_view parent_of(std::string_view path) {
  const size_t dot = path.rfind('.');
  return dot == std::string_view::npos ? std::string_view() : path.substr(0, dot);
}

size_t depth_of(std::string_view path) {
  return static_cast<size_t>(std::count(path.begin(), path.end(), '.'));
}

// Comment lines of at most kWidth columns.
void append_comment(std::string& out, const std::string& text, size_t depth) {
  const std::string start = indent(depth) + "#";
  std::string line = start;
  std::istringstream words(text);
  for (std::string word; words >> word;) {
    if (line.size() + 1 + word.size() > kWidth && line != start) {
      out += line + "\n";
      line = start;
    }
    line += " " + word;
  }
  out += line + "\n";
}

// "line   # comment", or the comment above when it would be too long.
void append_line(std::string& out, std::string_view line, std::string_view comment, size_t depth) {
  const size_t column = std::max(line.size() + 2, kCommentColumn);
  const bool beside = column + 2 + comment.size() <= kWidth;
  if (!comment.empty() && !beside) append_comment(out, std::string(comment), depth);
  out += line;
  if (!comment.empty() && beside) {
    out.append(column - line.size(), ' ');
    out += "# ";
    out += comment;
  }
  out += '\n';
}

// Opens the sections of `to` that `from` is not in.
void append_sections(std::string& out, std::string_view from, std::string_view to) {
  if (to.empty()) return;
  if (from == to || (from.starts_with(to) && from.substr(to.size()).starts_with('.'))) return;
  append_sections(out, from, parent_of(to));
  const std::string_view name = to.substr(parent_of(to).empty() ? 0 : parent_of(to).size() + 1);
  out += fmt::format("{}{}:\n", indent(depth_of(to)), name);
}

bool is_letter_or_digit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

}  // namespace

bool is_available(std::string_view path) {
  const auto found = known_keys().find(path);
  return found != known_keys().end() && found->second.available;
}

bool allows_word(std::string_view path, std::string_view word) {
  const auto found = known_keys().find(path);
  if (found == known_keys().end()) return false;
  std::string padded = " " + found->second.type + " ";
  std::ranges::replace_if(padded, [](char c) { return c == ',' || c == ':' || c == '|'; }, ' ');
  return padded.contains(fmt::format(" {} ", word));
}

namespace {

// Keys that are unknown stand behind their section's last known one.
size_t rank_of(std::string_view path) {
  const auto found = known_keys().find(path);
  if (found != known_keys().end()) return found->second.rank;
  size_t rank = known_keys().size();
  for (std::string_view section = parent_of(path); !section.empty(); section = parent_of(section)) {
    for (const auto& [known, key] : known_keys()) {
      if (known.starts_with(std::string(section) + ".")) {
        rank = rank == known_keys().size() ? key.rank : std::max(rank, key.rank);
      }
    }
    if (rank != known_keys().size()) break;
  }
  return rank;
}

}  // namespace

void YamlFile::set(std::string_view path, std::string value, std::string comment) {
  entries_.push_back({rank_of(path), std::string(path), std::move(value), std::move(comment), {}});
}

void YamlFile::set_list(std::string_view path, std::vector<Item> items, std::string comment) {
  std::string value = items.empty() ? "[]" : "";
  entries_.push_back(
      {rank_of(path), std::string(path), std::move(value), std::move(comment), std::move(items)});
}

void YamlFile::set_off(std::string_view path, std::string value, std::string comment) {
  set(path, std::move(value), std::move(comment));
  entries_.back().off = true;
}

std::string YamlFile::render() const {
  std::string out;
  for (const auto& line : head_) append_comment(out, line, 0);
  std::vector<const Entry*> sorted;
  for (const Entry& entry : entries_) sorted.push_back(&entry);
  // Equal ranks in the order they were set, which is that of the vector.
  std::ranges::sort(sorted, [](const Entry* a, const Entry* b) {
    return std::tie(a->rank, a) < std::tie(b->rank, b);
  });
  std::string_view section;
  for (const Entry* entry : sorted) {
    const std::string_view parent = parent_of(entry->path);
    append_sections(out, section, parent);
    section = parent;
    const size_t depth = depth_of(entry->path);
    const std::string name = entry->path.substr(parent.empty() ? 0 : parent.size() + 1);
    const std::string line = fmt::format("{}{}{}:{}{}", indent(depth), entry->off ? "# " : "", name,
                                         entry->value.empty() ? "" : " ", entry->value);
    append_line(out, line, entry->comment, depth);
    std::string item_line;
    for (const Item& item : entry->items) {
      item_line.assign(2 * (depth + 1), ' ');
      item_line += "- ";
      item_line += item.value;
      append_line(out, item_line, item.comment, depth + 1);
    }
  }
  for (const auto& line : tail_) append_comment(out, line, 0);
  return out;
}

std::string yaml_text(std::string_view text) {
  const bool plain =
      !text.empty() && (is_letter_or_digit(text.front()) || text.front() == '/') &&
      text != "null" && text != "Null" && text != "NULL" && text != "true" && text != "false" &&
      std::ranges::all_of(text, [](char c) {
        return is_letter_or_digit(c) || c == '.' || c == '-' || c == '_' || c == '/' || c == '@';
      });
  if (plain) return std::string(text);
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

std::string yaml_duration(uint64_t seconds) {
  struct Unit {
    uint64_t length;
    char name;
  };
  for (const Unit unit : {Unit{86400, 'd'}, Unit{3600, 'h'}, Unit{60, 'm'}}) {
    if (seconds != 0 && seconds % unit.length == 0) {
      return fmt::format("{}{}", seconds / unit.length, unit.name);
    }
  }
  return fmt::format("{}s", seconds);
}

std::string yaml_size(uint64_t bytes) {
  if (bytes % kGiB == 0) return fmt::format("{} GiB", bytes / kGiB);
  if (bytes % kMiB == 0) return fmt::format("{} MiB", bytes / kMiB);
  if (bytes % kKiB == 0) return fmt::format("{} KiB", bytes / kKiB);
  return fmt::format("{} B", bytes);
}

std::string yaml_flow(const std::vector<std::string>& items) {
  std::string out;
  for (const auto& item : items) out += (out.empty() ? "" : ", ") + item;
  return "[" + out + "]";
}

}  // namespace mailroot::import
