#include "edit_tree.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "edit_text.h"
#include "scalars.h"

namespace mailroot::config {

namespace {

Node scalar_node(const std::string& text) {
  Node node;
  node.kind = Node::Kind::scalar;
  node.text = text;
  return node;
}

// Index of the key; the size of the map when it is not there.
size_t find_key(const Node& map, std::string_view key) {
  size_t i = 0;
  while (i < map.size() && map.key(i).text != key) ++i;
  return i;
}

Node* value_of(Node& map, const std::string& key) {
  const size_t i = find_key(map, key);
  return i == map.size() ? nullptr : &map.items[2 * i + 1];
}

// The longest common subsequence of old entries and wanted ones, as pairs of indexes.
std::vector<std::pair<size_t, size_t>> common_entries(const std::vector<Node>& old,
                                                      const std::vector<Node>& wanted) {
  const size_t rows = old.size(), columns = wanted.size();
  std::vector<std::vector<uint32_t>> length(rows + 1, std::vector<uint32_t>(columns + 1));
  for (size_t i = rows; i-- > 0;) {
    for (size_t j = columns; j-- > 0;) {
      length[i][j] = same_tree(old[i], wanted[j]) ? length[i + 1][j + 1] + 1
                                                  : std::max(length[i + 1][j], length[i][j + 1]);
    }
  }
  std::vector<std::pair<size_t, size_t>> out;
  for (size_t i = 0, j = 0; i < rows && j < columns;) {
    if (same_tree(old[i], wanted[j])) {
      out.emplace_back(i++, j++);
    } else if (length[i + 1][j] >= length[i][j + 1]) {
      ++i;
    } else {
      ++j;
    }
  }
  return out;
}

std::optional<std::vector<Node>> parse_values(const std::vector<std::string>& values) {
  std::vector<Node> out;
  for (const auto& value : values) {
    auto node = parse_value(value);
    if (!node) return std::nullopt;
    out.push_back(std::move(*node));
  }
  return out;
}

Node list_after(const Node* old, const std::vector<ListEntry>& entries) {
  Node list;
  list.kind = Node::Kind::list;
  for (const auto& entry : entries) {
    list.items.push_back(entry.old_index ? old->items[*entry.old_index]
                                         : parse_value(entry.text).value_or(Node{}));
  }
  return list;
}

bool erase_from(Node& map, const std::string& key) {
  const size_t i = find_key(map, key);
  if (i == map.size()) return false;
  const auto first = map.items.begin() + static_cast<std::ptrdiff_t>(2 * i);
  map.items.erase(first, first + 2);
  return true;
}

// A null, or a section in which nothing is set.
bool is_nothing(const Node& node) {
  if (node.kind == Node::Kind::null) return true;
  if (node.kind != Node::Kind::map) return false;
  for (size_t i = 0; i < node.size(); ++i) {
    if (!is_nothing(node.value(i))) return false;
  }
  return true;
}

// The entries that set something, by key.
std::vector<size_t> sorted_entries(const Node& map) {
  std::vector<size_t> order;
  for (size_t i = 0; i < map.size(); ++i) {
    if (!is_nothing(map.value(i))) order.push_back(i);
  }
  std::sort(order.begin(), order.end(), [&map](size_t x, size_t y) {
    return std::tuple(std::string_view(map.key(x).text), x) <
           std::tuple(std::string_view(map.key(y).text), y);
  });
  return order;
}

// A table of more cells is not worth its time: the whole list is written anew.
constexpr size_t kTableMax = 4'000'000;

}  // namespace

std::optional<std::vector<PathStep>> parse_path(std::string_view path) {
  std::vector<PathStep> out;
  while (true) {
    const size_t end = std::min(path.find('.'), path.size());
    std::string_view word = path.substr(0, end);
    PathStep step;
    if (word.ends_with(']')) {
      const size_t bracket = word.find('[');
      if (bracket == std::string_view::npos) return std::nullopt;
      const auto index = parse_number(word.substr(bracket + 1, word.size() - bracket - 2));
      if (!index) return std::nullopt;
      step.index = *index;
      word = word.substr(0, bracket);
    }
    if (word.empty() || word.find_first_of("[]") != std::string_view::npos) return std::nullopt;
    step.key = word;
    out.push_back(std::move(step));
    if (end == path.size()) break;
    path.remove_prefix(end + 1);
  }
  if (out.back().index) return std::nullopt;
  return out;
}

std::optional<Node> parse_value(const std::string& text) {
  if (text.empty() || text.find_first_of("\r\n") != std::string::npos) return std::nullopt;
  // Nothing before or behind it, no comment either.
  if (text.front() == ' ' || end_of_value(text, 0) != text.size()) return std::nullopt;
  auto node = parse_yaml(text, "");
  if (!node || node->kind == Node::Kind::null) return std::nullopt;
  // "a: b" would be a map of the block form, "- a" a list.
  const bool is_block = node->kind != Node::Kind::scalar && !node->flow;
  if (is_block || node->anchored) return std::nullopt;
  return *node;
}

std::optional<std::vector<ListEntry>> plan_list(const Node* old, const Edit& edit) {
  const bool has_list = old != nullptr && old->kind == Node::Kind::list;
  const size_t count = has_list ? old->items.size() : 0;
  std::vector<ListEntry> out;
  const auto wanted = parse_values(edit.values);
  if (!wanted) return std::nullopt;
  if (edit.action == Edit::Action::set) {
    const bool small = (count + 1) * (wanted->size() + 1) <= kTableMax;
    const auto common = has_list && small ? common_entries(old->items, *wanted)
                                          : std::vector<std::pair<size_t, size_t>>();
    size_t next = 0;
    for (size_t j = 0; j < wanted->size(); ++j) {
      const bool kept = next < common.size() && common[next].second == j;
      out.push_back(kept ? ListEntry{common[next++].first, {}}
                         : ListEntry{std::nullopt, edit.values[j]});
    }
    return out;
  }
  for (size_t i = 0; i < count; ++i) {
    const bool removed =
        std::find(edit.entries.begin(), edit.entries.end(), i) != edit.entries.end();
    if (edit.action != Edit::Action::remove || !removed) out.push_back({i, {}});
  }
  if (edit.action == Edit::Action::add) {
    for (const auto& value : edit.values) out.push_back({std::nullopt, value});
  }
  return out;
}

bool apply_to_tree(Node& root, const std::vector<PathStep>& path, const Edit& edit) {
  Node* node = &root;
  for (size_t i = 0; i + 1 < path.size(); ++i) {
    if (node->kind == Node::Kind::null) node->kind = Node::Kind::map;
    if (node->kind != Node::Kind::map) return false;
    if (value_of(*node, path[i].key) == nullptr) {
      node->items.push_back(scalar_node(path[i].key));
      node->items.emplace_back();
    }
    node = value_of(*node, path[i].key);
    if (!path[i].index) continue;
    if (node->kind != Node::Kind::list || *path[i].index >= node->items.size()) return false;
    node = &node->items[*path[i].index];
  }
  if (node->kind == Node::Kind::null) node->kind = Node::Kind::map;
  if (node->kind != Node::Kind::map) return false;
  const std::string& key = path.back().key;
  if (edit.action == Edit::Action::erase) return erase_from(*node, key);
  Node* const old = value_of(*node, key);
  Node fresh;
  if (edit.is_list) {
    const auto plan = plan_list(old, edit);
    if (!plan) return false;
    fresh = list_after(old, *plan);
  } else {
    auto parsed = edit.values.size() == 1 ? parse_value(edit.values.front()) : std::nullopt;
    if (!parsed) return false;
    fresh = std::move(*parsed);
  }
  if (old != nullptr) {
    *old = std::move(fresh);
  } else {
    node->items.push_back(scalar_node(key));
    node->items.push_back(std::move(fresh));
  }
  return true;
}

bool same_tree(const Node& a, const Node& b) {
  if (is_nothing(a) && is_nothing(b)) return true;
  if (a.kind != b.kind || a.text != b.text) return false;
  if (a.kind != Node::Kind::map) {
    return std::equal(a.items.begin(), a.items.end(), b.items.begin(), b.items.end(), same_tree);
  }
  const auto left = sorted_entries(a), right = sorted_entries(b);
  return std::equal(left.begin(), left.end(), right.begin(), right.end(),
                    [&a, &b](size_t x, size_t y) {
                      return a.key(x).text == b.key(y).text && same_tree(a.value(x), b.value(y));
                    });
}

}  // namespace mailroot::config
