#include <algorithm>

#include "mailroot/sasl/limits.h"
#include "server_machine.h"

namespace mailroot::sasl {

namespace {

char upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; }

std::unique_ptr<ServerMachine> make(Mechanism mechanism, ChannelBinding binding,
                                    bool plus_offered) {
  switch (mechanism) {
    case Mechanism::plain:
      return make_plain();
    case Mechanism::login:
      return make_login();
    case Mechanism::scram_sha_256:
    case Mechanism::scram_sha_256_plus:
      return make_scram(mechanism, std::move(binding), plus_offered);
    case Mechanism::external:
      return make_external();
    case Mechanism::xoauth2:
    case Mechanism::oauthbearer:
      return make_token(mechanism);
  }
  return nullptr;
}

}  // namespace

std::string_view to_string(Mechanism mechanism) {
  constexpr std::string_view kNames[] = {
      "PLAIN",    "LOGIN",   "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS",
      "EXTERNAL", "XOAUTH2", "OAUTHBEARER"};
  return kNames[static_cast<size_t>(mechanism)];
}

std::optional<Mechanism> find_mechanism(std::string_view name) {
  for (const Mechanism mechanism : kMechanisms) {
    if (std::ranges::equal(name, to_string(mechanism), {}, upper)) return mechanism;
  }
  return std::nullopt;
}

ServerExchange::ServerExchange(Mechanism mechanism, ChannelBinding binding, bool plus_offered)
    : machine_(make(mechanism, std::move(binding), plus_offered)) {}

ServerExchange::~ServerExchange() = default;
ServerExchange::ServerExchange(ServerExchange&&) noexcept = default;
ServerExchange& ServerExchange::operator=(ServerExchange&&) noexcept = default;

Step ServerExchange::begin() { return machine_->begin(); }

Step ServerExchange::respond(std::string_view response) {
  return response.size() > kResponseMax ? Step::malformed : machine_->respond(response);
}

Step ServerExchange::answer(const Verdict& verdict) { return machine_->answer(verdict); }

Mechanism ServerExchange::mechanism() const { return machine_->mechanism(); }

const std::string& ServerExchange::challenge() const { return machine_->challenge(); }

const Request& ServerExchange::request() const { return machine_->request(); }

}  // namespace mailroot::sasl
