// A key that is not there yet, with the sections it needs.
#include <algorithm>
#include <limits>

#include "edit_write.h"

namespace mailroot::config {

namespace {

constexpr size_t kIndentDefault = 2;

// Columns by which this file indents: those of the first section that is written in lines.
size_t indent_step(const Node& node) {
  for (size_t i = 0; node.kind == Node::Kind::map && i < node.size(); ++i) {
    const Node& value = node.value(i);
    const bool is_section = value.kind == Node::Kind::map && !value.flow && !value.aliased;
    if (!is_section || value.items.empty()) continue;
    const int step = value.key(0).column - node.key(i).column;
    if (!node.flow && step > 0) return static_cast<size_t>(step);
    if (const size_t inner = indent_step(value); inner != 0) return inner;
  }
  return 0;
}

class Inserter {
 public:
  Inserter(const EditPlace& place, const std::vector<std::string>& values)
      : lines_(place.lines),
        target_(place.target),
        edit_(place.edit),
        order_(place.key_order),
        values_(values) {
    const size_t step = indent_step(place.root);
    step_ = step == 0 ? kIndentDefault : step;
  }

  Replacements run() const {
    if (target_.map->kind == Node::Kind::map && target_.map->flow) return into_flow();
    if (target_.map->kind == Node::Kind::map) return into_block();
    if (target_.holder == nullptr) return at_line_begin(lines_.text().size(), 0);
    return into_empty_section();
  }

 private:
  // The place of a path in the usual order.
  size_t rank(const std::string& path) const {
    const auto found =
        std::find_if(order_.begin(), order_.end(), [&path](const std::string& known) {
          if (!known.starts_with(path)) return false;
          return known.size() == path.size() || known[path.size()] == '.' ||
                 known[path.size()] == '[';
        });
    return static_cast<size_t>(found - order_.begin());
  }

  // The sibling behind which the key belongs; nothing: it belongs in front of all.
  std::optional<size_t> sibling_before() const {
    const std::string prefix = target_.map_path.empty() ? "" : target_.map_path + ".";
    const size_t own = rank(prefix + target_.missing.front());
    std::optional<size_t> best;
    size_t best_rank = 0;
    for (size_t i = 0; i < target_.map->size(); ++i) {
      const size_t other = rank(prefix + target_.map->key(i).text);
      const bool goes_before = other < own || own == order_.size();
      if (goes_before && (!best || other >= best_rank)) {
        best = i;
        best_rank = other;
      }
    }
    return best;
  }

  std::string flow_value() const {
    if (!edit_.is_list) return values_.front();
    std::string out;
    for (const auto& value : values_) out += (out.empty() ? "" : ", ") + value;
    return "[" + out + "]";
  }

  // "key: value", sections in braces.
  std::string flow_text() const {
    std::string out = target_.missing.back() + ": " + flow_value();
    for (size_t i = target_.missing.size() - 1; i-- > 0;) {
      out = target_.missing[i] + ": { " + out + " }";
    }
    return out;
  }

  // The lines of the key and its sections, without the last line end.
  std::string block_text(size_t indent) const {
    std::string out;
    for (size_t i = 0; i < target_.missing.size(); ++i, indent += step_) {
      if (i > 0) out += lines_.line_end();
      out += std::string(indent, ' ') + target_.missing[i] + ":";
    }
    if (!edit_.is_records || values_.empty()) return out + " " + flow_value();
    for (const auto& value : values_) {
      out += std::string(lines_.line_end()) + std::string(indent, ' ') + "- " + value;
    }
    return out;
  }

  // At the beginning of a line, or behind a last line that has no end.
  Replacements at_line_begin(size_t at, size_t indent) const {
    const std::string_view text = lines_.text();
    std::string fresh = block_text(indent);
    const bool open_end = at == text.size() && !text.empty() && !text.ends_with('\n');
    if (open_end) {
      fresh = std::string(lines_.line_end()) + fresh;
    } else {
      fresh += lines_.line_end();
    }
    return std::vector<Replacement>{{{at, at}, std::move(fresh)}};
  }

  Replacements into_block() const {
    const Node& first = target_.map->key(0);
    const auto indent = static_cast<size_t>(first.column) - 1;
    auto before = sibling_before();
    // Nothing can be put in front of the first key of "- name: x".
    const bool has_own_line = lines_.indentation(first.line) == indent;
    if (!before && !has_own_line) before = 0;
    if (!before) return at_line_begin(lines_.begin(line_in_front(first.line)), indent);
    const int bound =
        *before + 1 < target_.map->size() ? target_.map->key(*before + 1).line : target_.bound;
    const int last = lines_.last_content(target_.map->key(*before).line, bound);
    return at_line_begin(lines_.end(last), indent);
  }

  // Comments right above the first key are about it, unless they begin the file.
  int line_in_front(int first) const {
    int line = first;
    while (line > 1 && lines_.is_comment(line - 1)) --line;
    return line == 1 ? first : line;
  }

  Replacements into_empty_section() const {
    const Node& holder = *target_.holder;
    const auto key_end = end_of_key(holder, lines_);
    if (!key_end) return std::unexpected(at_key(target_, "the key is written in an unusual way"));
    const Target::Level& outer = target_.levels.back();
    if (outer.map->flow) {
      return std::vector<Replacement>{
          {{key_end->colon, key_end->colon}, " { " + flow_text() + " }"}};
    }
    const auto indent = static_cast<size_t>(holder.column) - 1 + step_;
    return at_line_begin(lines_.end(holder.line), indent);
  }

  Replacements into_flow() const {
    const std::string_view text = lines_.text();
    const Node& map = *target_.map;
    const auto parts = scan_flow(text, lines_.offset(map.line, map.column));
    if (!parts || parts->entries.size() != map.size()) {
      return std::unexpected(at_key(target_, "the braces around it cannot be taken apart"));
    }
    if (parts->entries.empty()) {
      const Span inside{parts->open + 1, parts->close};
      return std::vector<Replacement>{{inside, " " + flow_text() + " "}};
    }
    const auto before = sibling_before();
    const size_t at = before ? parts->entries[*before].end : parts->entries.front().begin;
    const std::string fresh = before ? ", " + flow_text() : flow_text() + ", ";
    return std::vector<Replacement>{{{at, at}, fresh}};
  }

  const SourceLines& lines_;
  const Target& target_;
  const Edit& edit_;
  const std::vector<std::string>& order_;
  const std::vector<std::string>& values_;
  size_t step_ = kIndentDefault;
};

}  // namespace

Replacements insert_key(const EditPlace& place, const std::vector<std::string>& values) {
  return Inserter(place, values).run();
}

}  // namespace mailroot::config
