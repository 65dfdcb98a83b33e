// The conversation: bytes in, replies out, deadlines. What the session asks is in questions.cc.
#include "connection.h"

#include <algorithm>

#include "limits.h"

namespace mailroot::receive {

using reactor::task;
using reactor::Wait;

namespace {

std::string join(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : " ") + word;
  return out;
}

// A reply is not called off with the rest when the server stops: a 250 that is lost makes the
// client send its message again. But a client that does not read must not hold the stop either.
class SendWatch final : reactor::Timer {
 public:
  SendWatch(reactor::Reactor& reactor, const reactor::CancelScope& server)
      : reactor_(reactor), server_(server), cut_(nullptr) {
    reactor_.add_timer(*this, reactor_.now() + kFarewellTimeout);
  }
  ~SendWatch() { reactor_.cancel_timer(*this); }
  SendWatch(const SendWatch&) = delete;
  SendWatch& operator=(const SendWatch&) = delete;
  reactor::CancelScope* scope() { return &cut_; }

 private:
  void on_timer() override {
    if (server_.is_cancelled()) {
      cut_.cancel();
    } else {
      reactor_.add_timer(*this, reactor_.now() + kFarewellTimeout);
    }
  }
  reactor::Reactor& reactor_;
  const reactor::CancelScope& server_;
  reactor::CancelScope cut_;
};

config::Binding binding_of(const config::VirtualServer& settings, const SocketAddress& local) {
  const config::Binding* found = config::find_binding(settings, local);
  return found == nullptr ? config::Binding{} : *found;  // adopted, and just reconfigured
}

void set_tls_rules(smtp::SessionRules& rules, config::ListenerTls mode, bool has_certificate) {
  using config::ListenerTls;
  rules.begins_in_tls = mode == ListenerTls::implicit;
  rules.require_tls = mode == ListenerTls::required;
  rules.offer_start_tls =
      has_certificate && mode != ListenerTls::off && mode != ListenerTls::implicit;
}

void set_auth_rules(smtp::SessionRules& rules, const config::Authentication& settings,
                    const config::Binding& binding) {
  using sasl::Mechanism;
  rules.requires_authentication = !settings.anonymous;
  if (binding.authentication == config::ListenerAuth::off) return;
  if (settings.users != nullptr || !settings.dovecot.empty()) {
    rules.auth_mechanisms = settings.mechanisms;
    if (!settings.dovecot.empty()) {  // it has passwords for us, but no keys
      rules.auth_mechanisms.remove(Mechanism::scram_sha_256);
      rules.auth_mechanisms.remove(Mechanism::scram_sha_256_plus);
    }
  } else if (settings.mechanisms.has(Mechanism::external)) {  // needs no users
    rules.auth_mechanisms.add(Mechanism::external);
  }
  rules.auth_needs_tls =
      settings.require_tls || binding.authentication != config::ListenerAuth::clear;
}

smtp::SessionRules rules_of(const config::VirtualServer& settings, const config::Binding& binding,
                            bool has_certificate, bool record_exchanges) {
  smtp::SessionRules rules;
  set_tls_rules(rules, binding.tls, has_certificate);
  set_auth_rules(rules, settings.access.authentication, binding);
  rules.record_exchanges = record_exchanges;
  rules.fqdn = settings.fqdn;
  rules.banner = settings.banner;
  rules.default_domain = settings.default_domain;
  rules.size_limit_bytes = settings.size_limit_bytes;
  rules.session_size_limit_bytes = settings.session_size_limit_bytes;
  rules.recipients_max = settings.recipients_limit;
  rules.hop_limit = settings.delivery.hop_limit;
  rules.normalise_bare_line_feed = settings.normalise_bare_line_feed;
  rules.offer_etrn = std::ranges::any_of(settings.domains, [](const config::Domain& domain) {
    return domain.queue_for == config::QueueFor::etrn;
  });
  rules.disabled_keywords = join(settings.disabled_extensions);
  return rules;
}

}  // namespace

Connection::Connection(reactor::Reactor& reactor, Service& service, Arrived arrived,
                       reactor::CancelScope* server_scope)
    : reactor_(reactor),
      service_(service),
      socket_(arrived.socket),
      stream_(std::move(arrived.stream)),
      local_(arrived.local),
      peer_(arrived.peer),
      balancer_(arrived.balancer),
      early_(std::move(arrived.early)),
      scope_(server_scope),
      lookup_scope_(&scope_),
      settings_(service.settings()),
      protocol_log_(service.protocol_log()),
      binding_(binding_of(*settings_, local_)),
      tls_context_(service.tls()),
      session_(
          rules_of(*settings_, binding_, tls_context_.context != nullptr, protocol_log_ != nullptr),
          peer_),
      opened_(reactor.now()),
      waiting_since_(opened_) {}

task<void> Connection::run() {
  service_.counters().connections_open.fetch_add(1, std::memory_order_relaxed);
  const uint64_t number = service_.sessions().add(*this);
  if (settings_->delivery.reverse_dns_lookup) lookup_.spawn(look_up_client());
  bool speaks = true;
  if (binding_.tls == config::ListenerTls::implicit) {
    speaks = co_await shake_hands();
  }
  if (speaks) {
    co_await converse();
  }
  lookup_scope_.cancel();
  co_await lookup_.join();
  draft_.reset();
  if (!broken_ && tls_ != nullptr) {
    co_await tls_->say_goodbye({reactor_.now() + kFarewellTimeout, nullptr});
  }
  co_await stream_->stop();
  if (!broken_) {
    co_await reactor_.shut_down(socket_);
  }
  co_await reactor_.close_now(socket_);
  service_.sessions().remove(number);
  service_.admission().leave(peer_.ip);
  service_.counters().connections_open.fetch_sub(1, std::memory_order_relaxed);
  log_end();
}

task<void> Connection::converse() {
  session_.greet(actions_);
  Next next = co_await act();
  if (next == Next::go_on && tls_ == nullptr && !early_.empty()) {
    next = co_await consume(as_bytes(early_));
  }
  while (next == Next::go_on) {
    co_await send_replies(reply_timeout());
    if (broken_) co_return;
    if (draft_ != nullptr) {
      co_await pause_while_memory_is_high(kDataBlockTimeout);
    }
    reactor::BufferLease lease;
    result<ByteView> received = ByteView();
    if (tls_ != nullptr) {
      received = co_await tls_->next(input_wait());
    } else {
      auto clear = co_await stream_->next(input_wait());
      if (clear) {
        lease = std::move(*clear);
        received = lease.bytes();
      } else {
        received = std::unexpected(clear.error());
      }
    }
    const bool is_stopped = !received && received.error().code == Errc::cancelled;
    // Only once: a stream that itself ended as cancelled would say so for ever.
    if (is_stopped && stop_at_ == kNever && session_.content_is_streaming()) {
      finish_message();
      continue;
    }
    if (!received) {
      co_await say_farewell(received.error());
      co_return;
    }
    const ByteView input = *received;
    bytes_in_ += input.size();
    if (session_.content_is_streaming() && body_is_too_slow()) {
      co_await say_farewell(Error{Errc::timed_out});
      co_return;
    }
    next = co_await consume(input);
  }
  co_await send_replies(kFarewellTimeout);
}

task<Connection::Next> Connection::consume(ByteView input) {
  while (!input.empty()) {
    const size_t used = session_.feed(input, actions_);
    input = input.subspan(used);
    const Next next = co_await act();
    if (next == Next::close) co_return Next::close;
    if (actions_.reply.size() >= kRepliesGatheredMaxBytes) {
      co_await send_replies(reply_timeout());
    }
    if (broken_) co_return Next::close;
  }
  co_return Next::go_on;
}

// Does what the session wants until it wants nothing more. Replies gather in actions_.reply and
// are sent when the input is used up: pipelined commands get one segment (RFC 2920 3.2).
task<Connection::Next> Connection::act() {
  while (true) {
    if (actions_.content_abandoned) {
      draft_.reset();
      header_scan_.reset();
      held_header_.reset();
    }
    if (!actions_.content.empty()) {
      co_await store_content();
    }
    log_exchanges();
    const bool asked = actions_.question != smtp::Question::none;
    if (asked && !actions_.close) {
      co_await ask();
    }
    if (actions_.close) {
      if (end_reason_.empty()) end_reason_ = actions_.close_reason;
      co_return Next::close;
    }
    if (broken_) co_return Next::close;
    if (!asked) co_return Next::go_on;
  }
}

task<void> Connection::send_replies(Duration timeout) {
  if (actions_.reply.empty() || broken_) co_return;
  const iovec piece{actions_.reply.data(), actions_.reply.size()};
  SendWatch watch(reactor_, scope_);
  const Wait wait{reactor_.now() + timeout, watch.scope()};
  result<void> sent;
  if (tls_ != nullptr) {
    sent = co_await tls_->send({&piece, 1}, wait);
  } else {
    sent = co_await reactor_.send(socket_, {&piece, 1}, wait);
  }
  actions_.reply.clear();
  waiting_since_ = reactor_.now();
  if (sent) co_return;
  broken_ = true;
  if (end_reason_.empty()) {
    const Errc code = sent.error().code;
    const bool unread = code == Errc::timed_out || code == Errc::cancelled;
    end_reason_ = unread ? "client does not read its replies" : describe(code);
  }
}

// Input ended before QUIT: the peer left, the time is up, or the server stops.
task<void> Connection::say_farewell(Error error) {
  if (error.code == Errc::timed_out) {
    session_.time_out(actions_);
  } else if (error.code == Errc::cancelled) {
    session_.shut_down(actions_);
  } else {
    session_.peer_closed(actions_);
    broken_ = error.code != Errc::end_of_stream;
  }
  if (end_reason_.empty()) {
    if (error.code == Errc::timed_out) {
      end_reason_ = "timed out waiting for the client";
    } else if (error.code == Errc::cancelled) {
      end_reason_ = stop_reason();
    } else {
      end_reason_ = session_.in_transaction() ? "lost in a transaction: " : "";
      end_reason_ += describe(error.code);
    }
  }
  co_await send_replies(kFarewellTimeout);
}

task<void> Connection::pause_while_memory_is_high(Duration longest) {
  const Instant limit = reactor_.now() + longest;
  while (service_.slabs().is_high() && reactor_.now() < limit) {
    auto slept = co_await reactor_.sleep_until(reactor_.now() + kMemoryPause, {kNever, &scope_});
    if (!slept) co_return;
  }
}

// A client that does not read its replies is as idle as one that sends nothing.
Duration Connection::reply_timeout() const {
  return std::min<Duration>(settings_->connection_timeout, kReplyTimeout);
}

SessionView Connection::view() const {
  SessionView out;
  out.peer = peer_;
  out.local = local_;
  out.opened = opened_;
  out.client_name = session_.client_name();
  if (tls_ != nullptr && tls_->engine().is_open()) out.tls = tls_->engine().version();
  out.user = session_.user();
  out.messages = session_.messages_accepted();
  out.bytes = bytes_in_;
  if (session_.content_is_streaming()) {
    out.stage = SessionStage::content;
  } else if (session_.in_transaction()) {
    out.stage = SessionStage::envelope;
  } else if (!out.client_name.empty()) {
    out.stage = SessionStage::idle;
  }
  return out;
}

void Connection::end_by_operator() {
  ended_by_operator_ = true;
  scope_.cancel();
}

std::string_view Connection::stop_reason() const {
  return ended_by_operator_ ? "closed by the administrator" : "virtual server stops";
}

// The server stops: the message that is arriving may still do so, then the session says 421.
void Connection::finish_message() {
  stop_at_ = reactor_.now() + kStopMessageTime;
  end_reason_ = stop_reason();
  session_.shut_down(actions_);
}

Wait Connection::input_wait() {
  if (stop_at_ != kNever) return {std::min(stop_at_, input_deadline()), nullptr};
  return {input_deadline(), &scope_};
}

// A command must be complete within its time, however its bytes drip in: the clock starts when
// the last reply is sent, and only content moves it on.
Instant Connection::input_deadline() const {
  const Duration idle = settings_->connection_timeout;
  if (!session_.content_is_streaming()) return waiting_since_ + idle;
  return reactor_.now() + std::min<Duration>(idle, kDataBlockTimeout);
}

bool Connection::body_is_too_slow() const {
  const Duration taken = reactor_.now() - content_began_;
  if (taken < kBodyGrace) return false;
  const auto seconds = static_cast<uint64_t>(taken / std::chrono::seconds(1));
  return bytes_in_ - content_began_bytes_ < seconds * kBodyRateMinBytesPerSecond;
}

void Connection::log_end() {
  const auto duration =
      std::chrono::duration_cast<std::chrono::milliseconds>(reactor_.now() - opened_);
  log::Event event(log::Level::info, "connection");
  event.with("server", settings_->id)
      .with("peer", peer_.to_string())
      .with("local", local_.to_string());
  if (balancer_) event.with("balancer", balancer_->to_string());
  event.with("helo", session_.client_name())
      .with("messages", static_cast<int64_t>(session_.messages_accepted()))
      .with("bytes", static_cast<int64_t>(bytes_in_))
      .with("ms", duration.count());
  if (tls_ != nullptr && !tls_version_.empty()) {
    event.with("tls", tls_version_).with("cipher", tls_->engine().cipher());
    if (tls_->engine().is_resumed()) event.with("tls_resumed", "yes");
  }
  if (tls_identity_) event.with("certificate", *tls_identity_);
  if (!session_.user().empty()) event.with("user", session_.user());
  event.with("reason", end_reason_.empty() ? "quit" : end_reason_);
  service_.log().write(std::move(event));
}

}  // namespace mailroot::receive
