#include "show_keys.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <string_view>

namespace mailroot::ctl {

using nlohmann::ordered_json;

namespace {

std::string place_text(const config::EffectiveKey& key) {
  if (!key.place) return "default";
  return fmt::format("{}:{}", key.place->file, key.place->line);
}

}  // namespace

void print_effective(const config::EffectiveKey& key) {
  const std::string where = place_text(key);
  if (!key.value.starts_with('\n')) {
    fmt::print("{:<36} {:<36} {}\n", key.key.path, key.value, where);
    return;
  }
  fmt::print("{:<36} {:<36} {}\n", key.key.path, "", where);
  std::string_view rest = std::string_view(key.value).substr(1);
  while (!rest.empty()) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    fmt::print("  {}\n", rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
}

ordered_json effective_json(const config::EffectiveKey& key) {
  ordered_json out = {{"key", key.key.path},
                      {"value", key.value.starts_with('\n') ? key.value.substr(1) : key.value},
                      {"default", key.key.default_value},
                      {"is_default", !key.place.has_value()}};
  if (key.place) {
    out["file"] = key.place->file;
    out["line"] = key.place->line;
  }
  return out;
}

}  // namespace mailroot::ctl
