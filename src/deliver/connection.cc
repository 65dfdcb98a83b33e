#include "connection.h"

#include <algorithm>
#include <utility>

#include "content_sender.h"
#include "mailroot/deliver/limits.h"
#include "mailroot/sasl/scram.h"

namespace mailroot::deliver {
namespace {

smtp::ClientRules make_rules(const config::VirtualServer& settings, const OutboundTls& tls,
                             bool hello_only, const LoginPass& login) {
  smtp::ClientRules rules;
  rules.tls = tls.is_implicit ? smtp::ClientTls::off : tls.mode;
  rules.already_tls = tls.is_implicit;
  rules.hello_name = settings.fqdn;
  // AUTH is an extension: who logs in says EHLO.
  rules.hello_only = hello_only && login.authentication == nullptr;
  rules.authentication = login.authentication;
  rules.recipients_max = std::min(kRecipientsPerTransaction, settings.recipients_limit);
  rules.transactions_max = settings.per_connection_limit;
  return rules;
}

}  // namespace

Connection::Connection(reactor::Reactor& reactor,
                       std::shared_ptr<const config::VirtualServer> settings, Target target,
                       OutboundTls tls, bool hello_only, LoginPass login,
                       std::shared_ptr<log::ProtocolLog> protocol_log, reactor::CancelScope& scope)
    : reactor_(reactor),
      settings_(std::move(settings)),
      target_(std::move(target)),
      login_(std::move(login)),
      scope_(scope),
      trace_(reactor, std::move(protocol_log), target_.address),
      session_(make_rules(*settings_, tls, hello_only, login_), target_.to_string()),
      wanted_tls_(std::move(tls)) {}

Connection::~Connection() {
  MAILROOT_ASSERT(socket_ == reactor::kNoDescriptor, "a connection is closed before it dies");
}

reactor::task<result<void>> Connection::open() {
  const auto& delivery = settings_->delivery;
  const auto bind = std::ranges::find_if(delivery.outbound_bind, [&](const IpAddress& address) {
    return address.family() == target_.address.ip.family();
  });
  SocketAddress local;
  if (bind != delivery.outbound_bind.end()) local.ip = *bind;
  const SocketAddress* from = bind == delivery.outbound_bind.end() ? nullptr : &local;
  const reactor::Wait wait{reactor_.now() + delivery.connect_timeout, &scope_};
  const result<reactor::Descriptor> socket = co_await reactor_.connect(target_.address, from, wait);
  if (!socket) {
    was_cancelled_ = socket.error().code == Errc::cancelled;
    is_closed_ = true;
    co_return std::unexpected(socket.error());
  }
  socket_ = *socket;
  opened_at_ = reactor_.now();
  stream_.emplace(reactor_, socket_);
  reactor_.backend().set_no_delay(socket_);
  // A wildcard binding makes every address of this machine ours; then both ends are equal.
  const result<SocketAddress> own = reactor_.backend().local_address(socket_);
  const bool is_wildcard_port =
      std::ranges::any_of(settings_->bindings, [&](const config::Binding& binding) {
        return !binding.address && binding.port == target_.address.port;
      });
  if (own && own->ip == target_.address.ip && is_wildcard_port) {
    co_await close();
    co_return fail(Errc::exists);
  }
  if (wanted_tls_.is_implicit) {
    const auto failed = co_await shake_hands();
    if (failed) {
      close_detail_ = "TLS handshake failed: " + *failed;
      co_await close();
      co_return fail(was_cancelled_ ? Errc::cancelled : Errc::invalid);
    }
  }
  session_.start(actions_);
  co_return result<void>();
}

reactor::task<std::vector<smtp::DeliveryOutcome>> Connection::deliver(smtp::Transaction transaction,
                                                                      const Payload& payload) {
  std::vector<smtp::DeliveryOutcome> outcomes;
  const bool was_used = session_.transactions() > 0;
  bytes_heard_ = 0;
  has_sent_all_ = false;
  payload_ = &payload;
  session_.begin(transaction, actions_);
  begin_reply();
  co_await drive(&outcomes);
  payload_ = nullptr;
  was_stale_ = was_used && is_closed_ && bytes_heard_ == 0 && !has_sent_all_ &&
               close_reason_ == smtp::CloseReason::peer_closed;
  co_return outcomes;
}

reactor::task<void> Connection::quit() {
  if (!is_closed_ && (stream_->has_ready() || stream_->has_ended())) feed_ready();
  if (!is_closed_ && !session_.in_transaction()) {
    session_.quit(actions_);
    begin_reply();
    co_await drive(nullptr);
  }
  if (tls_ != nullptr && socket_ != reactor::kNoDescriptor && !was_cancelled_) {
    const reactor::Wait wait{reactor_.now() + smtp::default_timeout(smtp::ClientTimer::quit),
                             &scope_};
    co_await tls_->say_goodbye(wait);
  }
  co_await close();
}

reactor::task<void> Connection::close() {
  is_closed_ = true;
  if (socket_ == reactor::kNoDescriptor) co_return;
  if (stream_) {
    co_await stream_->stop();
  }
  // Only then is it no longer one of delivery.outbound.connections.
  co_await reactor_.close_now(std::exchange(socket_, reactor::kNoDescriptor));
}

bool Connection::is_usable() {
  if (is_closed_) return false;
  if (stream_->has_ready() || stream_->has_ended()) feed_ready();
  return !is_closed_ && session_.ready();
}

Duration Connection::timeout() const {
  return std::min(smtp::default_timeout(actions_.timer), settings_->delivery.outbound_timeout);
}

void Connection::begin_reply() {
  reply_deadline_ = reactor_.now() + timeout();
  reply_limit_ = reactor_.now() + timeout() * kTimeoutsPerReply;
}

// Goes on until the session wants nothing more: outcomes are out, or the connection is over.
reactor::task<void> Connection::drive(std::vector<smtp::DeliveryOutcome>* outcomes) {
  for (;;) {
    std::string commands = std::move(actions_.send);
    const smtp::ContentForm form = actions_.content;
    for (const smtp::DeliveryOutcome& outcome : actions_.outcomes) {
      if (outcome.stage == smtp::Stage::authenticate) login_reply_ = outcome.reply_code;
    }
    if (outcomes != nullptr) std::ranges::move(actions_.outcomes, std::back_inserter(*outcomes));
    if (session_.ready() || actions_.ready) has_greeted_ = true;
    const bool closes = actions_.close;
    const bool wants_tls = actions_.start_tls;
    if (closes) {
      is_closed_ = true;
      close_reason_ = actions_.close_reason;
      close_detail_ = std::move(actions_.close_detail);
    }
    trace_.commands(commands, actions_.hidden);
    const bool is_secret = !actions_.hidden.empty();
    actions_.clear();
    if (form != smtp::ContentForm::none) {
      co_await send_with_content(std::move(commands), form);
    } else if (!commands.empty()) {
      co_await send_commands(std::move(commands), is_secret);
    }
    if (closes) co_return;
    if (wants_tls) {
      co_await start_tls();
    }
    const bool has_news = actions_.close || actions_.ready || !actions_.send.empty() ||
                          !actions_.outcomes.empty() || actions_.content != smtp::ContentForm::none;
    if (has_news) continue;
    const bool is_done = outcomes != nullptr ? !session_.in_transaction() : session_.is_closed();
    if (is_done) co_return;
    co_await receive();
  }
}

reactor::task<void> Connection::send_commands(std::string commands, bool is_secret) {
  const iovec view{commands.data(), commands.size()};
  begin_reply();
  co_await send_views(std::span(&view, 1), reactor_.now() + timeout());
  if (is_secret) sasl::wipe(commands);
}

// False: the connection is over; what the peer said before is heard first.
reactor::task<bool> Connection::send_views(std::span<const iovec> views, Instant deadline) {
  const reactor::Wait wait{deadline, &scope_};
  result<void> sent;
  if (tls_ != nullptr) {
    sent = co_await tls_->send(views, wait);
  } else {
    sent = co_await reactor_.send(socket_, views, wait);
  }
  if (sent) {
    for (const iovec& view : views) bytes_sent_ += view.iov_len;
    co_return true;
  }
  feed_ready();
  if (!session_.is_closed()) take_end(sent.error());
  co_return false;
}

// Commands and content leave together, without a copy. Between windows the peer is heard: it may
// refuse what it has not yet got.
reactor::task<void> Connection::send_with_content(std::string commands, smtp::ContentForm form) {
  payload_->content->rewind();  // an earlier transaction may have read it
  const uint64_t total = payload_->content->size_bytes();
  const Instant end = reactor_.now() + timeout() * kTimeoutsPerReply +
                      std::chrono::seconds(static_cast<int64_t>(total / kContentRateMin));
  ContentSender sender(form, payload_->header);
  if (!commands.empty()) sender.add_raw(commands);
  for (uint64_t done = 0; done < total;) {
    const auto window = co_await payload_->content->next();
    if (!window || window->empty()) {
      session_.content_failed("the stored message cannot be read", false, actions_);
      co_return;
    }
    for (const ByteView piece : *window) {
      done += piece.size();
      MAILROOT_ASSERT(done <= total, "content is as long as it says");
      if (!sender.add(piece)) {
        session_.content_failed("bare CR or LF in the content", true, actions_);
        co_return;
      }
      if (sender.views().size() < kGatherViews || done == total) continue;
      const bool sent = co_await send_content(sender, end);
      if (!sent) co_return;
    }
    if (done == total) break;
    const bool sent = co_await send_content(sender, end);
    if (!sent) co_return;
  }
  if (!sender.finish()) {
    session_.content_failed("bare CR or LF in the content", true, actions_);
    co_return;
  }
  has_sent_all_ = true;
  if (!sender.views().empty()) {
    // What arrives from here on may already be the reply to the whole: content_sent() comes first.
    const bool sent =
        co_await send_views(sender.views(), std::min(end, reactor_.now() + timeout()));
    if (!sent) co_return;
  }
  session_.content_sent(actions_);
  begin_reply();
}

// A part that is not the last. False: the connection is over.
reactor::task<bool> Connection::send_content(ContentSender& sender, Instant end) {
  if (sender.views().empty()) co_return true;
  const bool sent = co_await send_views(sender.views(), std::min(end, reactor_.now() + timeout()));
  sender.sent();
  if (!sent) co_return false;
  if (stream_->has_ready() || stream_->has_ended()) feed_ready();
  co_return !session_.is_closed();
}

reactor::task<void> Connection::receive() {
  const Instant deadline = std::min(reply_deadline_, reply_limit_);
  const reactor::Wait wait{deadline, &scope_};
  reactor::BufferLease lease;
  result<ByteView> heard = ByteView();
  if (tls_ != nullptr) {
    heard = co_await tls_->next(wait);
  } else {
    auto clear = co_await stream_->next(wait);
    if (clear) {
      lease = std::move(*clear);
      heard = lease.bytes();
    } else {
      heard = std::unexpected(clear.error());
    }
  }
  if (!heard) {
    take_end(heard.error());
    co_return;
  }
  const ByteView bytes = *heard;
  bytes_heard_ += bytes.size();
  trace_.replies(bytes);
  const smtp::ClientTimer before = actions_.timer;
  session_.feed(bytes, actions_);
  if (actions_.timer != before) {
    begin_reply();
  } else if (as_text(bytes).find('\n') != std::string_view::npos) {
    reply_deadline_ = reactor_.now() + timeout();
  }
}

// What can be had without waiting; in clear text it lies in `lease`.
std::optional<ByteView> Connection::take_ready(reactor::BufferLease& lease) {
  if (tls_ != nullptr) return tls_->take_ready();
  if (!stream_->has_ready()) return std::nullopt;
  reactor::ReceiveStream::Next next = stream_->next(reactor::Wait{});
  if (!next.await_ready()) return std::nullopt;
  result<reactor::BufferLease> taken = next.await_resume();
  if (!taken) return std::nullopt;
  lease = std::move(*taken);
  return lease.bytes();
}

void Connection::feed_ready() {
  while (!session_.is_closed()) {
    reactor::BufferLease lease;
    const auto bytes = take_ready(lease);
    if (!bytes) break;
    bytes_heard_ += bytes->size();
    trace_.replies(*bytes);
    session_.feed(*bytes, actions_);
  }
  if (stream_->has_ended() && !stream_->has_ready() && !session_.is_closed()) {
    session_.peer_closed("connection closed by the peer", actions_);
  }
  if (!session_.is_closed()) return;
  if (session_.in_transaction() || !actions_.outcomes.empty()) return;
  is_closed_ = true;
  close_reason_ = actions_.close_reason;
  close_detail_ = actions_.close_detail;
}

void Connection::take_end(const Error& error) {
  if (error.code == Errc::timed_out) {
    session_.time_out(actions_);
    return;
  }
  was_cancelled_ = error.code == Errc::cancelled;
  session_.peer_closed(error.code == Errc::end_of_stream ? "connection closed by the peer"
                       : was_cancelled_                  ? "delivery is being stopped"
                                                         : describe(error.code),
                       actions_);
}

}  // namespace mailroot::deliver
