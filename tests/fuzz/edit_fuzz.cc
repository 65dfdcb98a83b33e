// A line "action path value|value" and any octets as a file: a refusal of one plain line, or a text
// that is YAML, has the same line ends, and stays as it is when the same value is set again.
#include <string>

#include "fuzz.h"
#include "mailroot/config/edit.h"
#include "yaml_tree.h"

using namespace mailroot::config;
using mailroot::fuzz::check;

namespace {

std::string_view take_word(std::string_view& text, char end) {
  const size_t at = std::min(text.find(end), text.size());
  const std::string_view word = text.substr(0, at);
  text.remove_prefix(std::min(at + 1, text.size()));
  return word;
}

Edit parse_edit(std::string_view line) {
  Edit edit;
  const std::string_view action = take_word(line, ' ');
  if (action.starts_with("add")) edit.action = Edit::Action::add;
  if (action.starts_with("remove")) edit.action = Edit::Action::remove;
  if (action.starts_with("erase")) edit.action = Edit::Action::erase;
  edit.is_list = action.ends_with("list") || edit.action == Edit::Action::add ||
                 edit.action == Edit::Action::remove;
  edit.is_records = action.starts_with("setrecords");
  edit.path = take_word(line, ' ');
  while (!line.empty()) edit.values.emplace_back(take_word(line, '|'));
  if (edit.action == Edit::Action::remove) edit.entries = {edit.values.size() % 4};
  if (edit.values.empty()) edit.values.emplace_back("x");
  return edit;
}

size_t count_lone_line_feeds(std::string_view text) {
  size_t count = 0;
  for (size_t at = text.find('\n'); at != std::string_view::npos; at = text.find('\n', at + 1)) {
    if (at == 0 || text[at - 1] != '\r') ++count;
  }
  return count;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text = mailroot::fuzz::as_text(data, size);
  const Edit edit = parse_edit(take_word(text, '\n'));
  const auto once = edit_yaml(text, "/fuzz/a.yaml", edit, server_key_order());
  if (!once) {
    const std::string why = once.error().to_string();
    check(!why.empty(), "a refusal says why");
    return 0;
  }
  check(parse_yaml(*once, "/fuzz/a.yaml").has_value(), "an edited file is YAML");
  const bool pure_returns = text.contains('\n') && count_lone_line_feeds(text) == 0;
  if (pure_returns) check(count_lone_line_feeds(*once) == 0, "line ends stay what they are");
  if (edit.action == Edit::Action::set || edit.action == Edit::Action::erase) {
    const auto twice = edit_yaml(*once, "/fuzz/a.yaml", edit, server_key_order());
    check(!twice || *twice == *once, "the same value again changes nothing");
  }
  return 0;
}
