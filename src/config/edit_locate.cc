#include "edit_locate.h"

#include <fmt/format.h>

namespace mailroot::config {

namespace {

Obstacle obstacle(const Node& where, std::string text) {
  return {where.line, where.column, std::move(text)};
}

// Of a value on the way: what is written once and read in several places is nothing to change here.
std::optional<Obstacle> shared(const Node& key, const Node& value) {
  if (value.aliased) {
    return obstacle(
        key, fmt::format("its value is a copy (*alias) of what stands at line {}", value.line));
  }
  if (value.anchored) {
    return obstacle(key, "its value has an anchor (&) and may stand in other places too");
  }
  return std::nullopt;
}

class Walk {
 public:
  Walk(const Node& root, const SourceLines& lines, const std::vector<PathStep>& path)
      : lines_(lines), path_(path), node_(&root) {
    target_.bound = lines.count() + 1;
  }

  std::expected<Target, Obstacle> run() {
    if (node_->anchored)
      return std::unexpected(obstacle(*node_, "the whole file has an anchor (&)"));
    for (size_t i = 0; i < path_.size(); ++i) {
      auto done = step(i);
      if (!done) return std::unexpected(std::move(done.error()));
      if (*done) return std::move(target_);
    }
    return std::move(target_);
  }

 private:
  using Outcome = std::expected<bool, Obstacle>;  // true: the target is complete

  Outcome step(size_t i) {
    const PathStep& step = path_[i];
    target_.map = node_;
    if (node_->kind == Node::Kind::null) return miss(i);
    if (node_->kind != Node::Kind::map) {
      return std::unexpected(obstacle(*node_, "there is a value where a section should be"));
    }
    auto position = find(step.key);
    if (!position) return std::unexpected(std::move(position.error()));
    if (*position == node_->size()) return miss(i);
    const Node& key = node_->key(*position);
    const Node& value = node_->value(*position);
    if (auto why = shared(key, value)) return std::unexpected(std::move(*why));
    target_.position = *position;
    if (i + 1 == path_.size()) {
      target_.found = true;
      return true;
    }
    target_.levels.push_back({node_, *position, target_.bound});
    if (!node_->flow) target_.bound = target_.entry_bound();
    target_.holder = &key;
    target_.map_path += (target_.map_path.empty() ? "" : ".") + step.key;
    node_ = &value;
    return step.index ? enter(key, *step.index) : Outcome(false);
  }

  // Into an entry of the list `node_`.
  Outcome enter(const Node& key, size_t index) {
    const Node& list = *node_;
    if (list.kind != Node::Kind::list || index >= list.items.size()) {
      return std::unexpected(obstacle(key, fmt::format("there is no entry {}", index)));
    }
    if (!list.flow) {
      const auto begins = entry_lines(list, lines_, target_.bound);
      if (begins.empty()) return std::unexpected(obstacle(key, "its entries cannot be told apart"));
      if (index + 1 < begins.size()) target_.bound = begins[index + 1];
    }
    const Node& entry = list.items[index];
    if (auto why = shared(key, entry)) return std::unexpected(std::move(*why));
    if (entry.kind == Node::Kind::null) {
      return std::unexpected(obstacle(key, fmt::format("its entry {} is empty", index)));
    }
    target_.levels.clear();  // an entry does not go with its last key
    target_.holder = nullptr;
    target_.map_path += "[]";
    node_ = &entry;
    return false;
  }

  Outcome miss(size_t i) {
    for (; i < path_.size(); ++i) {
      if (path_[i].index) {
        const Node& where = target_.holder != nullptr ? *target_.holder : *node_;
        return std::unexpected(obstacle(
            where, fmt::format("there is no entry {} of {}", *path_[i].index, path_[i].key)));
      }
      target_.missing.push_back(path_[i].key);
    }
    return true;
  }

  std::expected<size_t, Obstacle> find(const std::string& name) const {
    size_t found = node_->size();
    for (size_t i = 0; i < node_->size(); ++i) {
      const Node& key = node_->key(i);
      if (key.aliased || key.anchored) {
        return std::unexpected(obstacle(key, "a key with an anchor (&) or an alias (*) beside it"));
      }
      if (key.text != name) continue;
      if (found != node_->size()) {
        return std::unexpected(obstacle(key, "it is set twice; remove one of them"));
      }
      found = i;
    }
    return found;
  }

  const SourceLines& lines_;
  const std::vector<PathStep>& path_;
  const Node* node_;
  Target target_;
};

}  // namespace

std::expected<Target, Obstacle> locate(const Node& root, const SourceLines& lines,
                                       const std::vector<PathStep>& path) {
  return Walk(root, lines, path).run();
}

std::vector<int> entry_lines(const Node& list, const SourceLines& lines, int bound) {
  const auto indent = static_cast<size_t>(list.column) - 1;
  std::vector<int> out;
  for (int number = list.line; number < bound && number <= lines.count(); ++number) {
    const std::string_view line = lines.line(number);
    if (lines.indentation(number) != indent || indent >= line.size() || line[indent] != '-')
      continue;
    if (indent + 1 == line.size() || line[indent + 1] == ' ' || line[indent + 1] == '\t') {
      out.push_back(number);
    }
  }
  if (out.size() != list.items.size()) out.clear();
  return out;
}

std::optional<KeyEnd> end_of_key(const Node& key, const SourceLines& lines) {
  const std::string_view text = lines.text();
  const size_t begin = lines.offset(key.line, key.column);
  if (begin >= text.size()) return std::nullopt;
  KeyEnd out;
  if (text[begin] == '"' || text[begin] == '\'') {
    const auto end = end_of_quoted(text, begin);
    if (!end) return std::nullopt;
    out.name = *end;
  } else {
    if (!text.substr(begin).starts_with(key.text)) return std::nullopt;
    out.name = begin + key.text.size();
  }
  const size_t colon = text.find_first_not_of(" \t", out.name);
  if (colon == std::string_view::npos || text[colon] != ':') return std::nullopt;
  out.colon = colon + 1;
  return out;
}

}  // namespace mailroot::config
