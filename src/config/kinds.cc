#include "kinds.h"

#include <algorithm>

#include "mailroot/smtp/grammar.h"

namespace mailroot::config {

namespace {

bool contains(const std::vector<std::string_view>& values, std::string_view value) {
  return std::find(values.begin(), values.end(), value) != values.end();
}

}  // namespace

std::optional<std::string> read_text(const Node& node, Context& context, size_t most) {
  const bool fits = node.kind == Node::Kind::scalar && node.text.size() <= most;
  // Escapes in double quotes can make any character: none may break a line of a reply or a log.
  const bool clean = std::none_of(node.text.begin(), node.text.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
  });
  if (!fits || !clean || !smtp::is_valid_utf8(node.text)) {
    context.complain_wrong_type(
        node, fmt::format("text without control characters, at most {} bytes", most));
    return std::nullopt;
  }
  return node.text;
}

std::optional<std::string> read_path(const Node& node, Context& context) {
  auto text = read_text(node, context, kPathMax);
  if (!text) return std::nullopt;
  if (text->empty()) {
    context.complain_wrong_type(node, "a path");
    return std::nullopt;
  }
  return context.resolve(*text);
}

std::string list_type(const std::string& entry_type, size_t least, size_t most) {
  if (least == 0) return fmt::format("list of {}, at most {}", entry_type, most);
  return fmt::format("list of {}, {} to {}", entry_type, least, most);
}

bool is_one_of(const Node& node, const std::vector<std::string_view>& values) {
  switch (node.kind) {
    case Node::Kind::null:
      return true;
    case Node::Kind::list:
      return node.items.empty() && contains(values, "[]");
    case Node::Kind::map:
      return node.items.empty() && contains(values, "{}");
    case Node::Kind::scalar:
      break;
  }
  if (node.text.empty()) return contains(values, "\"\"");
  return contains(values, node.text);
}

}  // namespace mailroot::config
