#include "json.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "mailroot/oauth/limits.h"

namespace mailroot::oauth {

namespace {

// Before the parser, which would build every level.
bool is_shallow(std::string_view text) {
  size_t depth = 0;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      if (++depth > kAnswerDepthMax) return false;
    } else if ((c == '}' || c == ']') && depth > 0) {
      --depth;
    }
  }
  return true;
}

}  // namespace

std::optional<nlohmann::json> parse_object(std::string_view text) {
  if (text.size() > kAnswerBytesMax || !is_shallow(text)) return std::nullopt;
  auto value = nlohmann::json::parse(text, nullptr, false);
  if (value.is_discarded() || !value.is_object()) return std::nullopt;
  return value;
}

std::optional<std::string> text_of(const nlohmann::json& object, const char* name, size_t most) {
  const auto found = object.find(name);
  if (found == object.end() || !found->is_string()) return std::nullopt;
  const auto& text = found->get_ref<const std::string&>();
  if (text.size() > most) return std::nullopt;
  const bool is_printable =
      std::ranges::all_of(text, [](char c) { return c >= 0x20 && c <= 0x7E; });
  return is_printable ? std::optional(text) : std::nullopt;
}

std::optional<int64_t> seconds_of(const nlohmann::json& object, const char* name) {
  constexpr double kMost = 1e9;
  const auto found = object.find(name);
  if (found == object.end()) return std::nullopt;
  if (found->is_number()) {
    const auto value = found->get<double>();
    if (std::isnan(value)) return std::nullopt;
    return static_cast<int64_t>(std::clamp(value, 0.0, kMost));
  }
  if (!found->is_string()) return std::nullopt;
  const auto& text = found->get_ref<const std::string&>();
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return std::clamp<int64_t>(value, 0, static_cast<int64_t>(kMost));
}

}  // namespace mailroot::oauth
