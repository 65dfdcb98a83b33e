// TLS of a connection: STARTTLS (RFC 3207) and implicit (RFC 8314 3).
#include "connection.h"
#include "limits.h"

namespace mailroot::receive {

using reactor::task;

// The rules of session and policy stay the same; only how bytes travel changes. False: it failed,
// and nothing can be said any more.
task<bool> Connection::shake_hands() {
  if (tls_context_.context == nullptr) {  // edited into TLS, with files that are no good
    broken_ = true;
    end_reason_ = "TLS is wanted here, and there is no certificate that can be used";
    co_return false;
  }
  auto engine = std::make_unique<tls::Engine>(tls_context_, binding_.tls_profile);
  tls_ = std::make_unique<tls::Channel>(reactor_, socket_, *stream_, std::move(engine));
  if (binding_.tls == config::ListenerTls::implicit) tls_->hear_first(std::move(early_));
  const Duration most = std::min<Duration>(settings_->connection_timeout, kHandshakeTimeout);
  const auto shaken = co_await tls_->shake({reactor_.now() + most, &scope_});
  auto& counters = service_.counters();
  if (!shaken) {
    counters.tls_failures.fetch_add(1, std::memory_order_relaxed);
    broken_ = true;
    const std::string& why = tls_->engine().why();
    end_reason_ = "TLS handshake failed: ";
    end_reason_ += why.empty() ? std::string(describe(shaken.error().code)) : why;
    co_return false;
  }
  counters.tls_sessions.fetch_add(1, std::memory_order_relaxed);
  tls_version_ = tls_->engine().version();
  if (auto identity = tls_->engine().peer_identity()) tls_identity_ = std::move(identity->subject);
  session_.bind_channel({tls_->engine().channel_binding(), {}}, tls_identity_.has_value());
  waiting_since_ = reactor_.now();
  co_return true;
}

// What came in clear text behind STARTTLS, read or not, is dropped: an attacker on the way could
// have put it there to be taken for the client's own (CVE-2011-0411).
task<void> Connection::start_tls() {
  while (stream_->has_ready()) {
    co_await stream_->next({});
  }
  co_await send_replies(reply_timeout());
  if (broken_) co_return;
  const bool done = co_await shake_hands();
  if (!done) co_return;
  actions_.question = smtp::Question::none;
  session_.tls_started();
}

}  // namespace mailroot::receive
