// PLAIN (RFC 4616), LOGIN and EXTERNAL (RFC 4422 A).
#include <algorithm>

#include "mailroot/sasl/limits.h"
#include "server_machine.h"

namespace mailroot::sasl {

namespace {

bool is_name(std::string_view name) { return name.size() <= kNameMax && check_name(name); }

bool is_password(std::string_view password) {
  return password.size() <= kPasswordMax && !password.empty() && !password.contains('\0');
}

// message = [authzid] NUL authcid NUL passwd
class Plain final : public ServerMachine {
 public:
  Plain() : ServerMachine(Mechanism::plain) {}

  Step respond(std::string_view response) override {
    const size_t first = response.find('\0');
    if (first == response.npos) return Step::malformed;
    const size_t second = response.find('\0', first + 1);
    if (second == response.npos) return Step::malformed;
    const std::string_view user = response.substr(first + 1, second - first - 1);
    const std::string_view password = response.substr(second + 1);
    if (!is_name(user) || !is_password(password)) return Step::malformed;
    request_.user = user;
    if (acts_for_another(response.substr(0, first))) return refuse(kForAnother);
    request_.secret = password;
    return ask(RequestKind::check_password);
  }
};

class Login final : public ServerMachine {
 public:
  Login() : ServerMachine(Mechanism::login) {}

  Step begin() override { return challenge_with("Username:"); }
  Step respond(std::string_view response) override {
    if (request_.user.empty()) {
      if (!is_name(response)) return Step::malformed;
      request_.user = response;
      return challenge_with("Password:");
    }
    if (!is_password(response)) return Step::malformed;
    request_.secret = response;
    return ask(RequestKind::check_password);
  }
};

class External final : public ServerMachine {
 public:
  External() : ServerMachine(Mechanism::external) {}

  Step respond(std::string_view response) override {
    if (!response.empty() && !is_name(response)) return Step::malformed;
    request_.user = response;
    return ask(RequestKind::external);
  }
};

}  // namespace

std::unique_ptr<ServerMachine> make_plain() { return std::make_unique<Plain>(); }
std::unique_ptr<ServerMachine> make_login() { return std::make_unique<Login>(); }
std::unique_ptr<ServerMachine> make_external() { return std::make_unique<External>(); }

}  // namespace mailroot::sasl
