// The login for one connection: who gets which credentials, and the token when one is needed.
#pragma once

#include <expected>
#include <memory>
#include <optional>

#include "engine.h"
#include "mailroot/oauth/token_source.h"
#include "mailroot/smtp/client_session.h"
#include "outcomes.h"

namespace mailroot::deliver {

// What a connection logs in with. Null authentication: not at all.
struct LoginPass {
  std::shared_ptr<const smtp::ClientAuthentication> authentication;
  std::optional<oauth::Wanted> token_of;  // where its token came from
};

// Whose login a host of this next hop gets; null: nobody's. Only smart hosts get one, and only
// those the credentials were written down for: no mail host found by DNS ever sees them.
const config::Login* login_for(const config::VirtualServer& settings, const route::NextHop& hop,
                               const Target& target);

// The outcome says why there is no login: the mail waits.
reactor::task<std::expected<LoginPass, smtp::DeliveryOutcome>> find_login(
    Engine& engine, const config::Login* login, Target target, reactor::Wait wait);

}  // namespace mailroot::deliver
