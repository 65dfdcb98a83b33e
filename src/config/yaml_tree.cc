#include "yaml_tree.h"

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <map>
#include <sstream>
#include <utility>

#include "mailroot/base/assert.h"
#include "mailroot/base/log.h"
#include "mailroot/config/limits.h"

namespace mailroot::config {

namespace {

// Leaves the parser from inside an event; caught in parse_yaml, never seen outside.
struct Refusal {
  int line;
  int column;
  std::string text;
};

[[noreturn]] void refuse(const YAML::Mark& mark, std::string text) {
  throw Refusal{mark.line + 1, mark.column + 1, std::move(text)};
}

class TreeBuilder final : public YAML::EventHandler {
 public:
  void OnDocumentStart(const YAML::Mark& mark) override {
    if (documents_++ > 0) refuse(mark, "a second document in one file");
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    finish(make_node(Node::Kind::null, mark), anchor, Extent{});
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = anchored_.find(anchor);
    if (found == anchored_.end()) refuse(mark, "an alias inside its own anchor");
    const auto& [node, extent] = found->second;
    count(extent, mark);
    if (open_.size() + extent.depth > kDepthMax) refuse_depth(mark);
    // The copy keeps the places of its anchor: a value is wrong where it is written.
    Node copy(node);
    copy.anchored = false;
    copy.aliased = true;
    add_to_parent(std::move(copy), extent);
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    if (tag != "?" && tag != "!") refuse_tag(mark);
    Node node = make_node(Node::Kind::scalar, mark);
    node.quoted = tag == "!";
    node.text = value;
    count({0, value.size(), 0}, mark);
    finish(std::move(node), anchor, {1, value.size(), 0});
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value style) override {
    open(Node::Kind::list, mark, tag, anchor, style);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value style) override {
    open(Node::Kind::map, mark, tag, anchor, style);
  }
  void OnMapEnd() override { close(); }

  Node take_root() { return std::move(root_); }

  // "the '[' of 3:12 is not closed", for an error met while a bracket is open.
  std::string unclosed_bracket() const {
    for (auto it = open_.rbegin(); it != open_.rend(); ++it) {
      if (!it->node.flow) continue;
      const char bracket = it->node.kind == Node::Kind::list ? '[' : '{';
      return fmt::format("the '{}' of {}:{} is not closed", bracket, it->node.line,
                         it->node.column);
    }
    return {};
  }

 private:
  // What a subtree takes: a copy of it costs the same again.
  struct Extent {
    size_t nodes = 1;
    size_t bytes = 0;  // of scalars
    size_t depth = 0;  // levels below
  };
  struct Open {
    Node node;
    YAML::anchor_t anchor = 0;
    Extent extent{};  // so far
  };
  struct Anchored {
    Node node;
    Extent extent;
  };

  [[noreturn]] static void refuse_tag(const YAML::Mark& mark) {
    refuse(mark, "YAML tags are not used in this file");
  }
  [[noreturn]] static void refuse_depth(const YAML::Mark& mark) {
    refuse(mark, fmt::format("nested deeper than {} levels", kDepthMax));
  }

  void count(const Extent& more, const YAML::Mark& mark) {
    total_.nodes += more.nodes;
    total_.bytes += more.bytes;
    if (total_.nodes > kNodesMax || total_.bytes > kExpandedBytesMax) {
      refuse(mark, fmt::format("more than {} values or {} MiB of text, aliases expanded", kNodesMax,
                               kExpandedBytesMax / kMiB));
    }
  }

  Node make_node(Node::Kind kind, const YAML::Mark& mark) {
    count(Extent{}, mark);
    Node node;
    node.kind = kind;
    node.line = mark.line + 1;
    node.column = mark.column + 1;
    return node;
  }

  void open(Node::Kind kind, const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
            YAML::EmitterStyle::value style) {
    if (tag != "?" && !tag.empty()) refuse_tag(mark);
    if (open_.size() >= kDepthMax) refuse_depth(mark);
    open_.push_back({make_node(kind, mark), anchor});
    open_.back().node.flow = style == YAML::EmitterStyle::Flow;
  }

  void close() {
    Open done = std::move(open_.back());
    open_.pop_back();
    ++done.extent.depth;
    finish(std::move(done.node), done.anchor, done.extent);
  }

  void finish(Node node, YAML::anchor_t anchor, const Extent& extent) {
    node.anchored = anchor != 0;
    if (node.anchored) anchored_[anchor] = {node, extent};
    add_to_parent(std::move(node), extent);
  }

  void add_to_parent(Node node, const Extent& extent) {
    if (open_.empty()) {
      root_ = std::move(node);
      return;
    }
    Open& parent = open_.back();
    const bool is_key = parent.node.kind == Node::Kind::map && parent.node.items.size() % 2 == 0;
    if (is_key && node.kind != Node::Kind::scalar) {
      throw Refusal{node.line, node.column, "a key must be a word, not " + describe_node(node)};
    }
    parent.extent.nodes += extent.nodes;
    parent.extent.bytes += extent.bytes;
    parent.extent.depth = std::max(parent.extent.depth, extent.depth);
    parent.node.items.push_back(std::move(node));
  }

  Node root_;
  std::vector<Open> open_;
  std::map<YAML::anchor_t, Anchored> anchored_;
  Extent total_{0, 0, 0};
  size_t documents_ = 0;
};

// yaml-cpp's words, made readable where they are not.
std::string explain(const std::string& message, const TreeBuilder& builder) {
  if (message.contains("flow end")) {
    return "syntax error: a bracket closes that is not the last one opened";
  }
  if (message.starts_with("end of ")) {
    const std::string bracket = builder.unclosed_bracket();
    if (!bracket.empty()) return "syntax error: " + bracket;
    return "syntax error: not a key of this map nor an entry of this list (indentation?)";
  }
  if (message.contains("EOF in scalar")) {
    return "syntax error: a quoted text is not closed before the end of the file";
  }
  return "syntax error: " + log::escape(message);
}

// yaml-cpp 0.7 takes the end of a file behind a line end for a closing quote: leave that line end
// out, and it complains.
std::string_view without_trailing_blanks(std::string_view text) {
  const size_t last = text.find_last_not_of(" \t\r\n");
  return text.substr(0, last == std::string_view::npos ? 0 : last + 1);
}

std::unexpected<Problem> problem_at(const std::string& file, int line, int column,
                                    std::string text) {
  Problem problem;
  problem.place = {file, line, column};
  problem.text = std::move(text);
  return std::unexpected(std::move(problem));
}

}  // namespace

std::expected<Node, Problem> parse_yaml(std::string_view text, const std::string& file) {
  TreeBuilder builder;
  try {
    std::istringstream stream{std::string(without_trailing_blanks(text))};
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder)) {
    }
  } catch (const Refusal& refusal) {
    return problem_at(file, refusal.line, refusal.column, refusal.text);
  } catch (const YAML::Exception& error) {
    const int line = error.mark.is_null() ? 1 : error.mark.line + 1;
    const int column = error.mark.is_null() ? 1 : error.mark.column + 1;
    return problem_at(file, line, column, explain(error.msg, builder));
  }
  return builder.take_root();
}

std::string describe_node(const Node& node) {
  switch (node.kind) {
    case Node::Kind::null:
      return "nothing";
    case Node::Kind::list:
      return "a list";
    case Node::Kind::map:
      return "a map";
    case Node::Kind::scalar:
      break;
  }
  const bool cut = node.text.size() > kFoundTextMax;
  return '"' + log::escape(node.text.substr(0, kFoundTextMax)) + (cut ? "...\"" : "\"");
}

}  // namespace mailroot::config
