#include "edits.h"

#include "mailroot/config/describe.h"

namespace mailroot::config {

const std::vector<std::string>& key_order() {
  static const std::vector<std::string> order = [] {
    std::vector<std::string> out;
    for (const auto& key : describe_server_keys()) out.push_back(key.path);
    return out;
  }();
  return order;
}

std::string edited(std::string_view text, const Edit& edit) {
  const auto outcome = edit_yaml(text, "a.yaml", edit, key_order());
  return outcome ? *outcome : "refused: " + outcome.error().to_string();
}

std::string refusal(std::string_view text, const Edit& edit) {
  const auto outcome = edit_yaml(text, "a.yaml", edit, key_order());
  return outcome ? "" : outcome.error().to_string();
}

}  // namespace mailroot::config
