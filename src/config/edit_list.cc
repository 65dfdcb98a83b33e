// Entries of a list that is there: each stays where it is, goes, or comes.
#include <algorithm>

#include "edit_write.h"

namespace mailroot::config {

namespace {

std::string joined(const std::vector<ListEntry>& entries) {
  std::string out;
  for (const auto& entry : entries) out += (out.empty() ? "" : ", ") + entry.text;
  return "[" + out + "]";
}

// How many old entries there are, all of them in front: then the change is an addition at the end.
bool only_adds(const std::vector<ListEntry>& entries, size_t old_count) {
  for (size_t i = 0; i < old_count; ++i) {
    if (i >= entries.size() || entries[i].old_index != i) return false;
  }
  return true;
}

Replacements change_flow(const EditPlace& place, const std::vector<ListEntry>& entries) {
  const std::string_view text = place.lines.text();
  const Node& list = place.target.value();
  const auto parts = scan_flow(text, place.lines.offset(list.line, list.column));
  if (!parts || parts->entries.size() != list.items.size()) {
    return std::unexpected(at_key(place.target, "the brackets of the list cannot be taken apart"));
  }
  const auto& old = parts->entries;
  if (!old.empty() && only_adds(entries, old.size())) {
    std::string more;
    for (size_t i = old.size(); i < entries.size(); ++i) more += ", " + entries[i].text;
    return std::vector<Replacement>{{{old.back().end, old.back().end}, more}};
  }
  const std::string_view whole = text.substr(parts->open, parts->close - parts->open);
  if (whole.contains('\n')) {
    return std::unexpected(at_key(place.target, "the list goes over several lines in brackets"));
  }
  if (old.empty() || entries.empty()) {
    return std::vector<Replacement>{{{parts->open, parts->close + 1}, joined(entries)}};
  }
  std::string inside;
  for (size_t i = 0; i < entries.size(); ++i) {
    const auto index = entries[i].old_index;
    const bool neighbours = i > 0 && index && entries[i - 1].old_index == *index - 1;
    if (neighbours) {
      inside += text.substr(old[*index - 1].end, old[*index].begin - old[*index - 1].end);
    } else if (i > 0) {
      inside += ", ";
    }
    inside += index ? text.substr(old[*index].begin, old[*index].end - old[*index].begin)
                    : entries[i].text;
  }
  return std::vector<Replacement>{{{old.front().begin, old.back().end}, inside}};
}

class BlockList {
 public:
  explicit BlockList(const EditPlace& place)
      : place_(place),
        lines_(place.lines),
        list_(place.target.value()),
        begins_(entry_lines(list_, place.lines, place.target.entry_bound())) {}

  Replacements change(const std::vector<ListEntry>& entries) {
    if (begins_.empty()) {
      return std::unexpected(at_key(place_.target, "the entries of the list cannot be told apart"));
    }
    std::vector<bool> kept(begins_.size());
    for (const auto& entry : entries) {
      if (entry.old_index) kept[*entry.old_index] = true;
    }
    for (size_t i = 0; i < begins_.size(); ++i) {
      if (!kept[i]) out_.push_back({{lines_.begin(begins_[i]), lines_.end(last_line(i))}, ""});
    }
    if (entries.empty()) {
      const auto key_end = end_of_key(place_.target.key(), lines_);
      if (!key_end) {
        return std::unexpected(at_key(place_.target, "the key is written in an unusual way"));
      }
      out_.push_back({{key_end->colon, key_end->colon}, " []"});
    }
    std::optional<size_t> before;
    for (const auto& entry : entries) {
      if (entry.old_index) {
        before = entry.old_index;
      } else {
        add(before, entry.text);
      }
    }
    return std::move(out_);
  }

 private:
  int last_line(size_t i) const {
    const int bound = i + 1 < begins_.size() ? begins_[i + 1] : place_.target.entry_bound();
    return lines_.last_content(begins_[i], bound);
  }

  // Behind the old entry `before`, or in front of all.
  void add(std::optional<size_t> before, const std::string& value) {
    const std::string_view first = lines_.line(begins_.front());
    const auto indent = static_cast<size_t>(list_.column) - 1;
    const size_t word = first.find_first_not_of(" \t", indent + 1);
    const std::string gap(word == std::string_view::npos || first[word] == '#'
                              ? " "
                              : first.substr(indent + 1, word - indent - 1));
    std::string line = std::string(first.substr(0, indent)) + "-" + gap + value;
    const size_t at = before ? lines_.end(last_line(*before)) : lines_.begin(begins_.front());
    // A file without a line end at its end gets none there.
    const bool open_end = at == lines_.text().size() && !lines_.text().ends_with('\n');
    if (open_end) {
      line = std::string(lines_.line_end()) + line;
    } else {
      line += lines_.line_end();
    }
    out_.push_back({{at, at}, std::move(line)});
  }

  const EditPlace& place_;
  const SourceLines& lines_;
  const Node& list_;
  std::vector<int> begins_;
  std::vector<Replacement> out_;
};

}  // namespace

Replacements change_list(const EditPlace& place, const std::vector<ListEntry>& entries) {
  const Node& old = place.target.value();
  if (old.kind != Node::Kind::list) return put_value(place, joined(entries));
  if (old.flow) return change_flow(place, entries);
  return BlockList(place).change(entries);
}

}  // namespace mailroot::config
