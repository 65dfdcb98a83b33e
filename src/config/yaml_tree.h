// One YAML document as a bounded tree with the place of every node. Built from yaml-cpp's events,
// because its own node graph shares aliased nodes, drops duplicate keys and has no limits.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "mailroot/config/load.h"

namespace mailroot::config {

struct Node {
  enum class Kind : uint8_t { null, scalar, list, map };
  Kind kind = Kind::null;
  bool quoted = false;    // a scalar that is text whatever it looks like
  bool flow = false;      // a list or map in brackets
  bool anchored = false;  // others may be copies of it
  bool aliased = false;   // a copy; line and column are those of its anchor
  int line = 1;
  int column = 1;
  std::string text;         // scalar
  std::vector<Node> items;  // list: entries; map: key, value, key, value...

  size_t size() const { return kind == Kind::map ? items.size() / 2 : items.size(); }
  const Node& key(size_t i) const { return items[2 * i]; }
  const Node& value(size_t i) const { return items[2 * i + 1]; }
};

// Aliases are expanded by copying, within kNodesMax. Tags, several documents, and keys that are
// not plain words are refused. An empty text is a null node. The first problem ends the parse.
std::expected<Node, Problem> parse_yaml(std::string_view text, const std::string& file);

// "a list", "a map", "nothing", or the scalar, shortened and escaped.
std::string describe_node(const Node& node);

}  // namespace mailroot::config
