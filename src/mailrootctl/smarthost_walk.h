// The way to a smart host on foot: connection, greeting, EHLO, TLS, login, MAIL FROM; each step is
// told as it happens. The dialogue is the daemon's own (smtp::ClientSession).
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "mailroot/base/address.h"
#include "mailroot/reactor/reactor.h"
#include "mailroot/smtp/client_session.h"
#include "mailroot/tls/context.h"

namespace mailroot::ctl {

// (step, what came of it)
using TellStep = std::function<void(const std::string& step, const std::string& text)>;

struct WalkPlan {
  SocketAddress address;
  std::string host;  // its name, for people
  smtp::ClientRules rules;
  std::string sender;  // of MAIL FROM
  // TLS: what it is made from (null: none), names a certificate may have, and whether it begins
  // with the connection.
  std::shared_ptr<const tls::ClientContext> context;
  std::vector<std::string> names;
  bool is_implicit = false;
};

// What is missing, a sentence; empty: mail can go this way. Blocks.
std::string walk_to(const WalkPlan& plan, const TellStep& tell);

}  // namespace mailroot::ctl
