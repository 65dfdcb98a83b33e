#include "command.h"

#include "text.h"

namespace mailroot::bench {
namespace {

/// Length of "<...>" at the front of `text`; 0 if there is none.
size_t bracketed(std::string_view text) {
  if (!text.starts_with('<')) {
    return 0;
  }
  bool quoted = false;
  for (size_t i = 1; i < text.size(); ++i) {
    char c = text[i];
    if (quoted && c == '\\') {
      ++i;
    } else if (c == '"') {
      quoted = !quoted;
    } else if (!quoted && c == '>') {
      return i + 1;
    } else if (!quoted && (c == ' ' || c == '<')) {
      return 0;
    }
  }
  return 0;
}

}  // namespace

Command split_command(std::string_view line) {
  size_t space = line.find(' ');
  Command command;
  for (char c : line.substr(0, space)) {
    command.verb += c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  }
  if (space != std::string_view::npos) {
    command.rest = line.substr(space + 1);
  }
  return command;
}

std::optional<PathArgument> parse_path(std::string_view rest, std::string_view keyword) {
  if (rest.size() < keyword.size() || !same_word(rest.substr(0, keyword.size()), keyword)) {
    return std::nullopt;
  }
  rest.remove_prefix(keyword.size());
  size_t size = bracketed(rest);
  if (size == 0) {
    return std::nullopt;
  }
  PathArgument argument{.path = rest.substr(1, size - 2), .parameters = {}};
  rest.remove_prefix(size);
  while (!rest.empty()) {
    if (rest.front() != ' ') {
      return std::nullopt;
    }
    rest.remove_prefix(1);
    size_t end = rest.find(' ');
    std::string_view word = rest.substr(0, end);
    if (!word.empty()) {
      argument.parameters.push_back(word);
    }
    rest = end == std::string_view::npos ? std::string_view() : rest.substr(end);
  }
  return argument;
}

}  // namespace mailroot::bench
