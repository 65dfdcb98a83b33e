#include "mailroot/oauth/token_answer.h"

#include <algorithm>

#include "json.h"
#include "mailroot/oauth/limits.h"

namespace mailroot::oauth {

namespace {

using std::chrono::seconds;

// One line of printable ASCII; Microsoft adds trace ids and times behind a line end.
std::string one_line(std::string_view text) {
  text = text.substr(0, text.find_first_of("\r\n"));
  if (const size_t trace = text.find(" Trace ID: "); trace != text.npos)
    text = text.substr(0, trace);
  std::string out(text.substr(0, kWordsMax));
  for (char& c : out) {
    if (c < 0x20 || c > 0x7E) c = '?';
  }
  while (out.ends_with('.') || out.ends_with(' ')) out.pop_back();
  return out;
}

std::string string_member(const nlohmann::json& object, const char* name) {
  const auto found = object.find(name);
  if (found == object.end() || !found->is_string()) return {};
  return one_line(found->get_ref<const std::string&>());
}

bool equals_ignoring_case(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](char x, char y) { return (x | 0x20) == (y | 0x20); });
}

// RFC 6749 5.2: {"error": "invalid_client", "error_description": "..."}
Refusal refusal_by_error(const http::Answer& answer, const nlohmann::json& object) {
  Refusal refusal;
  refusal.error = string_member(object, "error");
  const std::string description = string_member(object, "error_description");
  refusal.text = "the token endpoint says " + std::to_string(answer.status) + " " + refusal.error;
  if (!description.empty()) refusal.text += ": " + description;
  if (const auto remedy = remedy_of(refusal.error, description); !remedy.empty()) {
    refusal.text += "; " + std::string(remedy);
  }
  refusal.retry_after = answer.retry_after;
  const bool is_their_trouble = answer.status == 429 || answer.status >= 500 ||
                                refusal.error == "temporarily_unavailable" ||
                                refusal.error == "server_error";
  refusal.is_final = !is_their_trouble;
  return refusal;
}

Refusal no_json(const http::Answer& answer) {
  Refusal refusal;
  refusal.retry_after = answer.retry_after;
  const std::string status = std::to_string(answer.status);
  if (answer.status == 429) {
    refusal.text = "the token endpoint says 429: too many requests";
  } else if (answer.status >= 500) {
    refusal.text = "the token endpoint says " + status + ": it has trouble of its own";
  } else if (answer.status >= 300 && answer.status < 400) {
    refusal.text =
        "the token endpoint redirects (" + status + "), which is not followed: correct token_url";
    refusal.is_final = true;
  } else if (answer.content_type == "text/html") {
    refusal.text =
        "the token endpoint answers " + status +
        " with a web page instead of JSON: is token_url right, or is a proxy in between?";
    refusal.is_final = answer.status != 200;
  } else {
    refusal.text = "the token endpoint's answer (" + status + ") is no JSON object";
  }
  return refusal;
}

Refusal wrong_member(const char* what) {
  Refusal refusal;
  refusal.text = std::string("the token endpoint's answer has no usable ") + what;
  return refusal;
}

}  // namespace

std::expected<TokenAnswer, Refusal> read_token_answer(const http::Answer& answer) {
  const auto object = parse_object(answer.body);
  if (!object) return std::unexpected(no_json(answer));
  if (object->contains("error")) return std::unexpected(refusal_by_error(answer, *object));
  if (answer.status != 200) return std::unexpected(no_json(answer));
  TokenAnswer out;
  auto token = text_of(*object, "access_token", kTokenBytesMax);
  if (!token || token->empty() || token->contains(' ')) {
    return std::unexpected(wrong_member("access_token"));
  }
  out.access_token = sasl::Secret(std::move(*token));
  if (object->contains("token_type")) {
    const auto type = text_of(*object, "token_type", kWordsMax);
    if (!type || !equals_ignoring_case(*type, "bearer")) {
      return std::unexpected(wrong_member("token_type (Bearer is needed)"));
    }
  }
  out.lifetime = kLifetimeUnknown;
  if (object->contains("expires_in")) {
    const auto lifetime = seconds_of(*object, "expires_in");
    if (!lifetime) return std::unexpected(wrong_member("expires_in"));
    out.lifetime = std::min(seconds(*lifetime), kLifetimeMax);
  }
  if (object->contains("refresh_token")) {
    auto refresh = text_of(*object, "refresh_token", kTokenBytesMax);
    if (!refresh || refresh->empty()) return std::unexpected(wrong_member("refresh_token"));
    out.refresh_token = sasl::Secret(std::move(*refresh));
  }
  return out;
}

Refusal refusal_of(const http::Failure& failure) {
  Refusal refusal;
  refusal.text = "the token endpoint cannot be asked: " + one_line(failure.text);
  refusal.is_final = failure.kind == http::FailureKind::not_allowed;
  return refusal;
}

std::expected<DeviceAnswer, Refusal> read_device_answer(const http::Answer& answer) {
  const auto object = parse_object(answer.body);
  if (!object) return std::unexpected(no_json(answer));
  if (object->contains("error")) return std::unexpected(refusal_by_error(answer, *object));
  DeviceAnswer out;
  auto device = text_of(*object, "device_code", kTokenBytesMax);
  const auto user = text_of(*object, "user_code", 64);
  auto url = text_of(*object, "verification_uri", kWordsMax);
  if (!url) url = text_of(*object, "verification_url", kWordsMax);  // Google's spelling
  if (!device || device->empty()) return std::unexpected(wrong_member("device_code"));
  if (!user || user->empty()) return std::unexpected(wrong_member("user_code"));
  if (!url || !url->starts_with("http")) return std::unexpected(wrong_member("verification_uri"));
  out.device_code = sasl::Secret(std::move(*device));
  out.user_code = *user;
  out.verification_url = *url;
  if (const auto interval = seconds_of(*object, "interval")) {
    out.interval = std::clamp(seconds(*interval), seconds(1), seconds(60));
  }
  if (const auto lifetime = seconds_of(*object, "expires_in")) {
    out.lifetime = std::min(seconds(*lifetime), seconds(3600));
  }
  return out;
}

}  // namespace mailroot::oauth
