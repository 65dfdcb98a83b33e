// TLS of an outbound connection: STARTTLS and implicit.
#include <algorithm>

#include "connection.h"
#include "mailroot/deliver/limits.h"

namespace mailroot::deliver {

// Nothing, or why it failed. A failed connection can say nothing more to the peer.
reactor::task<std::optional<std::string>> Connection::shake_hands() {
  if (wanted_tls_.context == nullptr) {
    co_return "the certificates for it could not be read";
  }
  const OutboundTls& wanted = wanted_tls_;
  auto engine =
      wanted.dane.empty()
          ? std::make_unique<tls::Engine>(wanted.context, target_.host, wanted.names)
          : std::make_unique<tls::Engine>(wanted.context, target_.host, wanted.names, wanted.dane);
  tls_ = std::make_unique<tls::Channel>(reactor_, socket_, *stream_, std::move(engine));
  const Duration most = std::min(kHandshakeTimeout, settings_->delivery.outbound_timeout);
  const auto shaken = co_await tls_->shake({reactor_.now() + most, &scope_});
  if (shaken) co_return std::nullopt;
  was_cancelled_ = shaken.error().code == Errc::cancelled;
  tls_has_failed_ = !was_cancelled_;
  std::string why = tls_->engine().why();
  if (why.empty()) why = describe(shaken.error().code);
  co_return why;
}

// A reply that was slipped in behind the 220 in clear text is not heard (CVE-2021-33515 and its
// kin): the session drops what stood with it, and what came later is no handshake.
reactor::task<void> Connection::start_tls() {
  const auto failed = co_await shake_hands();
  if (!failed) {
    session_.tls_started(actions_);
    begin_reply();
    co_return;
  }
  if (was_cancelled_) {
    session_.peer_closed("delivery is being stopped", actions_);
    co_return;
  }
  session_.tls_failed(*failed, actions_);
}

}  // namespace mailroot::deliver
