// Edits in short, and what they make of a text.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "mailroot/config/edit.h"

namespace mailroot::config {

inline Edit set(std::string path, std::string value) {
  return {Edit::Action::set, std::move(path), {std::move(value)}, false, false, {}};
}
inline Edit set_list(std::string path, std::vector<std::string> values, bool is_records = false) {
  return {Edit::Action::set, std::move(path), std::move(values), true, is_records, {}};
}
inline Edit add(std::string path, std::vector<std::string> values, bool is_records = false) {
  return {Edit::Action::add, std::move(path), std::move(values), true, is_records, {}};
}
inline Edit remove(std::string path, std::vector<size_t> entries) {
  return {Edit::Action::remove, std::move(path), {}, true, false, std::move(entries)};
}
inline Edit erase(std::string path) {
  return {Edit::Action::erase, std::move(path), {}, false, false, {}};
}

// All keys of a virtual server file in their usual order.
const std::vector<std::string>& key_order();

// The new text, or "refused: " and why.
std::string edited(std::string_view text, const Edit& edit);
// The refusal; "" when it is none.
std::string refusal(std::string_view text, const Edit& edit);

}  // namespace mailroot::config
