// The octets of a YAML file by line, and where what begins at an octet ends. Knows as much of YAML
// as is needed to find the end of a value; edit_yaml proves every result by parsing it again.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace mailroot::config {

// Lines are counted from 1, offsets from 0, columns from 1, as the tree counts them.
class SourceLines {
 public:
  explicit SourceLines(std::string_view text);

  std::string_view text() const { return text_; }
  int count() const { return static_cast<int>(starts_.size()); }
  size_t begin(int line) const { return starts_[static_cast<size_t>(line) - 1]; }
  size_t end(int line) const;             // behind the line end
  std::string_view line(int line) const;  // without the line end
  size_t offset(int line, int column) const;
  int line_of(size_t offset) const;
  // "\r\n" when the file's first line ends so.
  std::string_view line_end() const { return line_end_; }

  size_t indentation(int line) const;
  bool is_comment(int line) const;
  // A blank line, a comment, or a document's beginning or end: no value stands there.
  bool is_empty(int line) const;
  // The last line of [first, bound) on which a value stands; `first` at least.
  int last_content(int first, int bound) const;

 private:
  std::string_view text_;
  std::vector<size_t> starts_;
  std::string_view line_end_;
};

struct Span {
  size_t begin = 0;
  size_t end = 0;
};

// A flow list or map: its brackets, and its entries without blanks and comments around them.
struct FlowParts {
  size_t open = 0;
  size_t close = 0;
  std::vector<Span> entries;
};

// All of them give nothing for what they do not understand.
std::optional<size_t> end_of_quoted(std::string_view text, size_t begin);
size_t end_of_plain(std::string_view text, size_t begin);  // in block context, on one line
std::optional<FlowParts> scan_flow(std::string_view text, size_t open);
// Where the value of a block map's entry ends, when it begins and ends on known ground: a plain or
// quoted scalar, or a flow collection.
std::optional<size_t> end_of_value(std::string_view text, size_t begin);

// A replacement of octets; a list of them is applied at once. Nothing when some overlap.
struct Replacement {
  Span where;
  std::string text;
};
std::optional<std::string> apply_replacements(std::string_view text,
                                              std::vector<Replacement> replacements);

}  // namespace mailroot::config
