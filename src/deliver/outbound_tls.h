// What TLS one connection to a next hop is to have.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "mailroot/config/snapshot.h"
#include "mailroot/route/next_hop.h"
#include "mailroot/smtp/client_session.h"
#include "mailroot/tls/context.h"
#include "mailroot/tls/engine.h"
#include "outcomes.h"

namespace mailroot::deliver {

struct OutboundTls {
  smtp::ClientTls mode = smtp::ClientTls::off;
  bool is_implicit = false;
  bool may_fall_back = false;  // in clear text after a failed handshake, on a new connection
  std::shared_ptr<const tls::ClientContext> context;  // null: it cannot be used, or is off
  std::vector<std::string> names;     // that its certificate may have, if it is verified
  std::vector<tls::DaneRecord> dane;  // empty: none
};

// TLSA records of the target are to be looked up first.
bool wants_dane(const config::VirtualServer& settings, const route::NextHop& hop,
                const Target& target);

// `is_broken`: the host's TLS failed a moment ago. `contexts` may be null.
OutboundTls tls_for(const config::VirtualServer& settings, const route::NextHop& hop,
                    const Target& target, bool is_broken, const tls::ClientContexts* contexts,
                    const std::vector<dns::TlsaRecord>& records);

}  // namespace mailroot::deliver
