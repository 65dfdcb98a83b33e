// The tree's side of an edit: the path, and the tree that must come out of it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mailroot/config/edit.h"
#include "yaml_tree.h"

namespace mailroot::config {

// "domains[2].relay" is {domains, 2}, {relay}.
struct PathStep {
  std::string key;
  std::optional<size_t> index;
};
// Nothing when it is no path, or ends with an index.
std::optional<std::vector<PathStep>> parse_path(std::string_view path);

// A value as it is written, as a node; nothing when it is not one value on one line.
std::optional<Node> parse_value(const std::string& text);

// Which entries a list has after the edit: one that was there, or a new one.
struct ListEntry {
  std::optional<size_t> old_index;
  std::string text;  // of a new one
};
// `old` is the list before; absent, null or something else counts as empty. Old entries keep their
// order; a set list takes over as many of them as it can. Nothing when a value cannot be read.
std::optional<std::vector<ListEntry>> plan_list(const Node* old, const Edit& edit);

// Applies the edit to the tree; false when the path leads nowhere in it.
bool apply_to_tree(Node& root, const std::vector<PathStep>& path, const Edit& edit);

// The same keys, in any order, with the same values. An empty section is the same as none.
bool same_tree(const Node& a, const Node& b);

}  // namespace mailroot::config
