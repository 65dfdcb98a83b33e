#include "smarthost_walk.h"

#include <fmt/format.h>

#include <utility>

#include "mailroot/smtp/reply_advice.h"
#include "mailroot/smtp/reply_parser.h"
#include "mailroot/tls/channel.h"
#include "tool_limits.h"

namespace mailroot::ctl {

using reactor::task;

namespace {

// What was sent, in one line and without secrets.
std::string shown(const smtp::ClientActions& actions) {
  std::string out;
  size_t at = 0;
  for (const smtp::HiddenRange& range : actions.hidden) {
    out += actions.send.substr(at, range.begin - at) + "***";
    at = range.begin + range.size;
  }
  out += actions.send.substr(at);
  while (out.ends_with('\n') || out.ends_with('\r')) out.pop_back();
  return out;
}

class Walk {
 public:
  Walk(reactor::Reactor& reactor, const WalkPlan& plan, const TellStep& tell)
      : reactor_(reactor), plan_(plan), tell_(tell), session_(plan.rules, plan.host) {}

  task<void> run() {
    const auto socket = co_await reactor_.connect(plan_.address, nullptr, patience());
    const std::string peer = plan_.address.to_string();
    if (!socket) {
      tell_("connect", fmt::format("{}: {}", peer, describe(socket.error().code)));
      missing = fmt::format("no connection to {}: is port {} open to the outside?", peer,
                            plan_.address.port);
      reactor_.stop();
      co_return;
    }
    socket_ = *socket;
    tell_("connect", peer);
    stream_.emplace(reactor_, socket_);
    if (plan_.is_implicit) {
      const std::string why = co_await shake_hands();
      if (!why.empty()) missing = "TLS handshake failed: " + why;
    }
    if (missing.empty()) {
      co_await log_in();
    }
    if (missing.empty()) {
      co_await try_sender();
    }
    co_await stream_->stop();
    co_await reactor_.close_now(socket_);
    reactor_.stop();
  }

  std::string missing;

 private:
  reactor::Wait patience() {
    return {reactor_.now() + std::chrono::seconds(kTestMailPatienceSeconds), nullptr};
  }

  // Up to ready, as the daemon would.
  task<void> log_in() {
    session_.start(actions_);
    for (;;) {
      const bool is_over = actions_.close;
      const std::string detail = actions_.close_detail;
      if (!actions_.send.empty()) tell_("say", shown(actions_));
      const std::string bytes = std::exchange(actions_.send, {});
      const bool wants_tls = actions_.start_tls;
      const bool is_ready = actions_.ready;
      actions_.clear();
      co_await send(bytes);
      if (is_over) {
        if (missing.empty()) missing = detail;
        co_return;
      }
      if (is_ready) co_return;
      if (wants_tls) {
        const std::string why = co_await shake_hands();
        if (why.empty()) {
          session_.tls_started(actions_);
        } else {
          session_.tls_failed(why, actions_);
        }
        continue;
      }
      if (!missing.empty()) co_return;
      co_await hear();
    }
  }

  // Why it failed, else empty.
  task<std::string> shake_hands() {
    if (plan_.context == nullptr) co_return "the certificates for it could not be read";
    auto engine = std::make_unique<tls::Engine>(plan_.context, plan_.host, plan_.names);
    tls_ = std::make_unique<tls::Channel>(reactor_, socket_, *stream_, std::move(engine));
    const auto shaken = co_await tls_->shake(patience());
    if (!shaken) {
      std::string why = tls_->engine().why();
      if (why.empty()) why = describe(shaken.error().code);
      tell_("tls", why);
      co_return why;
    }
    tell_("tls",
          fmt::format("{} {}, certificate {}", tls_->engine().version(), tls_->engine().cipher(),
                      plan_.context->verifies() ? "verified" : "not looked at"));
    co_return std::string();
  }

  // The host takes the sender: most refusals that are left come here or later.
  task<void> try_sender() {
    const smtp::Reply reply = co_await ask("MAIL FROM:<" + plan_.sender + ">");
    if (missing.empty() && !reply.is_positive()) {
      smtp::DeliveryOutcome outcome;
      outcome.reply_code = reply.code;
      outcome.enhanced_code = reply.enhanced;
      outcome.text = reply.text;
      missing = fmt::format("the host does not take mail from {}: {}", plan_.sender,
                            smtp::summary_with_advice(outcome));
    }
    if (reply.is_positive()) {
      co_await ask("RSET");
    }
    co_await ask("QUIT");
  }

  task<smtp::Reply> ask(std::string line) {
    tell_("say", line);
    co_await send(line + "\r\n");
    smtp::ReplyParser parser;
    smtp::ReplyStatus status = smtp::ReplyStatus::incomplete;
    while (missing.empty()) {
      const auto heard = co_await next_bytes();
      if (!heard) {
        missing = fmt::format("no reply to {}: {}", line, describe(heard.error().code));
        break;
      }
      parser.feed(as_bytes(*heard), status);
      if (status == smtp::ReplyStatus::incomplete) continue;
      if (status == smtp::ReplyStatus::malformed) missing = "the host does not speak SMTP";
      break;
    }
    smtp::Reply reply = parser.reply();
    if (status == smtp::ReplyStatus::complete) {
      tell_("hear", fmt::format("{} {} {}", reply.code, reply.enhanced, reply.text));
    }
    co_return reply;
  }

  task<void> send(std::string bytes) {
    if (bytes.empty()) co_return;
    const iovec view{bytes.data(), bytes.size()};
    result<void> sent;
    if (tls_ != nullptr) {
      sent = co_await tls_->send(std::span(&view, 1), patience());
    } else {
      sent = co_await reactor_.send(socket_, std::span(&view, 1), patience());
    }
    if (!sent && missing.empty()) missing = std::string(describe(sent.error().code));
  }

  task<result<std::string>> next_bytes() {
    if (tls_ != nullptr) {
      const auto plain = co_await tls_->next(patience());
      if (!plain) co_return std::unexpected(plain.error());
      co_return std::string(as_text(*plain));
    }
    const auto lease = co_await stream_->next(patience());
    if (!lease) co_return std::unexpected(lease.error());
    co_return std::string(as_text(lease->bytes()));
  }

  task<void> hear() {
    const auto heard = co_await next_bytes();
    if (!heard) {
      session_.peer_closed(describe(heard.error().code), actions_);
      co_return;
    }
    std::string text = *heard;
    while (text.ends_with('\n') || text.ends_with('\r')) text.pop_back();
    // Challenges say nothing to people.
    tell_("hear", text.starts_with("334 ") ? "334 ..." : text);
    session_.feed(as_bytes(*heard), actions_);
  }

  reactor::Reactor& reactor_;
  const WalkPlan& plan_;
  const TellStep& tell_;
  smtp::ClientSession session_;
  smtp::ClientActions actions_;
  reactor::Descriptor socket_ = reactor::kNoDescriptor;
  std::optional<reactor::ReceiveStream> stream_;
  std::unique_ptr<tls::Channel> tls_;
};

}  // namespace

std::string walk_to(const WalkPlan& plan, const TellStep& tell) {
  std::string trouble;
  auto backend = reactor::make_backend(reactor::BackendChoice::epoll, {}, trouble);
  if (!backend) return trouble;
  reactor::Reactor reactor(std::move(*backend), reactor::ReactorLimits{});
  Walk walk(reactor, plan, tell);
  reactor::TaskGroup group;
  group.spawn(walk.run());
  reactor.run();
  return walk.missing;
}

}  // namespace mailroot::ctl
