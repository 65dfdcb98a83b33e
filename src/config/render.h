// Turning a record and its table into YAML.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "record.h"

namespace mailroot::config {

// A paragraph of comment lines at most 96 columns wide.
std::string render_comment(const std::string& text, size_t indent);
// The text of a key, then its type; when a change is seen only if that is not at once.
std::string describe_key(std::string_view text, std::string_view type, Reload reload);
// "connections:" lines that lead from section `from` to section `to`.
std::string render_sections(std::string_view from, std::string_view to);
std::string render_value(std::string_view name, const std::string& value, size_t indent);

// Every available key in table order; `comments` says type, bounds and text above each.
template <class S>
std::string render(const KeyTable<S>& table, const S& record, bool comments) {
  std::string out;
  std::string section;
  for (const auto& key : table.keys) {
    if (!key.value.available()) continue;
    const size_t dot = key.path.rfind('.');
    const std::string parent(dot == std::string_view::npos ? "" : key.path.substr(0, dot));
    const auto top = [](std::string_view path) { return path.substr(0, path.find('.')); };
    if (comments && top(parent) != top(section)) out += "\n";
    out += render_sections(section, parent);
    section = parent;
    const size_t depth = static_cast<size_t>(std::count(key.path.begin(), key.path.end(), '.'));
    if (comments) {
      out += render_comment(describe_key(key.text, key.value.type, key.reload), 2 * depth);
    }
    const auto name = dot == std::string_view::npos ? key.path : key.path.substr(dot + 1);
    out += render_value(name, key.value.print(record), 2 * depth);
  }
  return out;
}

template <class S>
std::vector<ChangedKey> changed(const KeyTable<S>& table, const S& before, const S& after) {
  std::vector<ChangedKey> out;
  for (const auto& key : table.keys) {
    if (!key.value.available()) continue;
    std::string old_value = key.value.print(before);
    std::string new_value = key.value.print(after);
    if (old_value == new_value) continue;
    out.push_back({std::string(key.path), key.reload, std::move(old_value), std::move(new_value)});
  }
  return out;
}

}  // namespace mailroot::config
