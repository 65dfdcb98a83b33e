#include "login.h"

#include <fmt/format.h>

#include <algorithm>

#include "mailroot/deliver/limits.h"

namespace mailroot::deliver {

using config::LoginMethod;
using smtp::DeliveryOutcome;

namespace {

DeliveryOutcome no_login(const Target& target, std::string_view text) {
  DeliveryOutcome outcome =
      make_outcome(smtp::Disposition::deferred, smtp::Stage::authenticate, "4.7.0", text);
  outcome.scope = smtp::OutcomeScope::connection;
  outcome.remote_host = target.to_string();
  return outcome;
}

std::string make_nonce(reactor::Reactor& reactor) {
  std::string nonce;
  for (int i = 0; i < 3; ++i) nonce += fmt::format("{:016x}", reactor.random());
  return nonce;
}

}  // namespace

const config::Login* login_for(const config::VirtualServer& settings, const route::NextHop& hop,
                               const Target& target) {
  const config::Login* login = nullptr;
  if (hop.login == route::HopLogin::server && target.list > 0) login = &settings.delivery.login;
  if (hop.login == route::HopLogin::domain) {
    const auto entry = std::ranges::find(settings.domains, hop.login_domain, &config::Domain::name);
    if (entry != settings.domains.end()) login = &entry->login;
  }
  if (login == nullptr || login->method == LoginMethod::none) return nullptr;
  return login;
}

reactor::task<std::expected<LoginPass, DeliveryOutcome>> find_login(Engine& engine,
                                                                    const config::Login* login,
                                                                    Target target,
                                                                    reactor::Wait wait) {
  LoginPass pass;
  if (login == nullptr) co_return std::move(pass);
  if (!login->problem.empty()) co_return std::unexpected(no_login(target, login->problem));
  const auto made = std::make_shared<smtp::ClientAuthentication>();
  made->mechanisms = config::mechanisms_of(login->method);
  made->login.username = login->username;
  made->login.nonce = make_nonce(engine.reactor());
  made->login.host = target.host;
  made->login.port = target.address.port;
  made->allow_clear = login->allow_clear;
  if (login->method != LoginMethod::oauth2) {
    made->login.secret = login->password;
    pass.authentication = made;
    co_return std::move(pass);
  }
  if (engine.around.tokens == nullptr) {
    co_return std::unexpected(no_login(target, "nobody fetches tokens here"));
  }
  oauth::Wanted wanted{login->oauth, login->username};
  auto token = co_await oauth::token_for(*engine.around.tokens, engine.reactor(), wanted, wait);
  if (!token) {
    DeliveryOutcome outcome = no_login(target, "waiting for the token endpoint took too long");
    if (token.error().code == Errc::cancelled) outcome.disposition = smtp::Disposition::not_tried;
    co_return std::unexpected(std::move(outcome));
  }
  if (!*token) co_return std::unexpected(no_login(target, token->error().text));
  made->login.secret = std::move(**token);
  pass.authentication = made;
  pass.token_of = std::move(wanted);
  co_return std::move(pass);
}

}  // namespace mailroot::deliver
