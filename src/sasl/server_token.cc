// XOAUTH2 and OAUTHBEARER (RFC 7628 3): a token in place of a password.
#include <algorithm>

#include "mailroot/sasl/limits.h"
#include "server_machine.h"

namespace mailroot::sasl {

namespace {

constexpr char kSeparator = '\x01';
constexpr std::string_view kScheme = "Bearer ";

bool starts_with_scheme(std::string_view text) {
  return text.size() > kScheme.size() &&
         std::ranges::equal(text.substr(0, kScheme.size()), kScheme, [](char a, char b) {
           return a == b || (a >= 'A' && a <= 'Z' && a - 'A' + 'a' == b) ||
                  (b >= 'A' && b <= 'Z' && b - 'A' + 'a' == a);
         });
}

// RFC 6750 2.1: b64token.
bool is_token(std::string_view token) {
  return !token.empty() && token.size() <= kTokenMax &&
         std::ranges::all_of(token, [](char c) { return c > 0x20 && c < 0x7f; });
}

class Token final : public ServerMachine {
 public:
  using ServerMachine::ServerMachine;

  Step respond(std::string_view response) override {
    if (has_failed_) return Step::failed;  // what the client says to the error says nothing
    const bool is_bearer = mechanism() == Mechanism::oauthbearer;
    if (is_bearer && !take_header(response)) return Step::malformed;
    if (!take_pairs(response)) return Step::malformed;
    return ask(RequestKind::check_token);
  }

  Step judge(const Verdict& verdict) override {
    if (verdict.accept) return Step::done;
    has_failed_ = true;
    return challenge_with(mechanism() == Mechanism::oauthbearer
                              ? R"({"status":"invalid_token"})"
                              : R"({"status":"401","schemes":"bearer"})");
  }

 private:
  // gs2-header = ("n" / "y") "," [ "a=" saslname ] ","
  bool take_header(std::string_view& rest) {
    if (!rest.starts_with("n,") && !rest.starts_with("y,")) return false;
    rest.remove_prefix(2);
    if (const auto text = take_attribute(rest, 'a')) {
      auto name = decode_name(*text);
      if (!name || !is_user(*name)) return false;
      request_.user = std::move(*name);
    } else if (rest.starts_with(',')) {
      rest.remove_prefix(1);
    } else {
      return false;
    }
    if (!rest.starts_with(kSeparator)) return false;
    rest.remove_prefix(1);
    return true;
  }

  // *( key "=" value %x01 ) %x01
  bool take_pairs(std::string_view rest) {
    while (!rest.starts_with(kSeparator)) {
      const size_t end = rest.find(kSeparator);
      if (end == rest.npos || !take_pair(rest.substr(0, end))) return false;
      rest.remove_prefix(end + 1);
    }
    return rest.size() == 1 && !request_.secret.empty();
  }

  bool take_pair(std::string_view pair) {
    const size_t equals = pair.find('=');
    if (equals == pair.npos) return false;
    const std::string_view key = pair.substr(0, equals);
    const std::string_view value = pair.substr(equals + 1);
    if (key == "auth") {
      if (!starts_with_scheme(value) || !request_.secret.empty()) return false;
      if (!is_token(value.substr(kScheme.size()))) return false;
      request_.secret = value.substr(kScheme.size());
    } else if (key == "user" && mechanism() == Mechanism::xoauth2) {
      if (!is_user(value) || !request_.user.empty()) return false;
      request_.user = value;
    }
    return true;
  }

  static bool is_user(std::string_view name) { return name.size() <= kNameMax && check_name(name); }

  bool has_failed_ = false;
};

}  // namespace

std::unique_ptr<ServerMachine> make_token(Mechanism mechanism) {
  return std::make_unique<Token>(mechanism);
}

}  // namespace mailroot::sasl
