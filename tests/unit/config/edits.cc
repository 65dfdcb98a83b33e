#include "edits.h"

namespace mailroot::config {

const std::vector<std::string>& key_order() { return server_key_order(); }

std::string edited(std::string_view text, const Edit& edit) {
  const auto outcome = edit_yaml(text, "a.yaml", edit, key_order());
  return outcome ? *outcome : "refused: " + outcome.error().to_string();
}

std::string refusal(std::string_view text, const Edit& edit) {
  const auto outcome = edit_yaml(text, "a.yaml", edit, key_order());
  return outcome ? "" : outcome.error().to_string();
}

}  // namespace mailroot::config
