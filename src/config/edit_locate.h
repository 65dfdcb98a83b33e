// Where in a file the value of an edit stands, or would stand.
#pragma once

#include <expected>
#include <string>
#include <vector>

#include "edit_text.h"
#include "edit_tree.h"

namespace mailroot::config {

// Where an edit happens. Nodes live as long as the tree.
struct Target {
  const Node* map = nullptr;     // that holds the key, or would; null: an empty section or file
  const Node* holder = nullptr;  // the key whose value `map` is; nullptr: the root or a list entry
  size_t position = 0;           // of the key in `map`, if it is found
  bool found = false;
  std::vector<std::string> missing;  // not found: the key, with the sections before it
  std::string map_path;              // "delivery.outbound", "domains[]", "" is the root
  int bound = 0;  // the first line that belongs neither to `map` nor to anything in it
  // Maps around `map`, the root first, with the position of the way down; for removing sections
  // that become empty.
  struct Level {
    const Node* map = nullptr;
    size_t position = 0;
    int bound = 0;
  };
  std::vector<Level> levels;

  const Node& key() const { return map->key(position); }
  const Node& value() const { return map->value(position); }
  // The first line behind the entry and all that is in it.
  int entry_bound() const {
    return position + 1 < map->size() ? map->key(position + 1).line : bound;
  }
};

// A refusal: what is in the way, where. The caller adds file and key.
struct Obstacle {
  int line = 0;
  int column = 0;
  std::string text;
};

std::expected<Target, Obstacle> locate(const Node& root, const SourceLines& lines,
                                       const std::vector<PathStep>& path);

// The lines on which the entries of a block list begin; empty when they cannot be told apart.
std::vector<int> entry_lines(const Node& list, const SourceLines& lines, int bound);

// The end of a key's name and of the colon behind it.
struct KeyEnd {
  size_t name = 0;
  size_t colon = 0;  // behind it
};
std::optional<KeyEnd> end_of_key(const Node& key, const SourceLines& lines);

}  // namespace mailroot::config
