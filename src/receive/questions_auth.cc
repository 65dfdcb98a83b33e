// AUTH: who the client is, what its failures cost, and what a user may do.
#include <fmt/format.h>

#include "connection.h"
#include "limits.h"
#include "mailroot/message/trace.h"

namespace mailroot::receive {

using reactor::task;
using sasl::RequestKind;

namespace {

constexpr const char* kWrong = "535 5.7.8 Authentication credentials invalid";
constexpr const char* kNotNow = "454 4.7.0 Temporary authentication failure, try again later";
constexpr const char* kBusy = "454 4.7.0 Too many logins at this moment, try again later";
constexpr const char* kTooMany = "421 4.7.0 Too many failed logins, closing transmission channel";
constexpr const char* kRevoked =
    "421 4.7.0 Your login is no longer valid, connect and log in again";

smtp::Answer rejection(std::string reply) {
  smtp::Answer answer;
  answer.accept = false;
  answer.reply = std::move(reply);
  return answer;
}

// What a login stood on; when it changes the login ends.
std::string verifiers_of(const sasl::User* user) {
  if (user == nullptr) return {};
  return user->hash + (user->keys ? to_string(*user->keys) : std::string());
}

std::string_view why_wrong(const sasl::Users& users, const std::string& name, RequestKind kind) {
  const sasl::User* user = users.find(name);
  if (user == nullptr) return "no such user";
  if (user->disabled) return "the user is disabled";
  if (kind == RequestKind::refuse && !user->keys) return "the user has no SCRAM keys";
  return "wrong password";
}

}  // namespace

// For the log and for whoever reads the reply: bans are told of in wall time.
std::string Connection::time_of(Instant when) const {
  return message::date_time(reactor_.wall_now() + (when - reactor_.now()));
}

std::string Connection::nonce() {
  return fmt::format("{:016x}{:016x}", reactor_.random(), reactor_.random());
}

task<void> Connection::authenticate() {
  const sasl::Request& request = session_.authentication();
  const auto settings = service_.settings();
  const auto users = settings->access.authentication.users;
  const std::string user = request.user;
  if (const auto ban = service_.login_guard().ban_of(peer_.ip, user, reactor_.now())) {
    answer(rejection(fmt::format("{} 4.7.0 Too many failed logins, try again after {}",
                                 ban->is_address ? "421" : "454", time_of(ban->until))));
    co_return;
  }
  if (request.kind == RequestKind::external) {
    co_await accept_certificate(user);
    co_return;
  }
  const config::Authentication& rules = settings->access.authentication;
  const bool has_users = users != nullptr;
  const bool is_scram =
      request.kind == RequestKind::scram_keys || request.kind == RequestKind::scram_proven;
  if (!has_users && (is_scram || rules.dovecot.empty())) {  // since this session began
    answer(rejection(kNotNow));
    co_return;
  }
  switch (request.kind) {
    case RequestKind::check_password: {
      const bool by_dovecot = is_for_dovecot(rules, user);
      LoginAttempt attempt{settings, user, request.secret, peer_.ip, tls_ != nullptr};
      auto right = co_await service_.check_password(std::move(attempt));
      if (!right) {
        note_login_trouble(right.error());
      } else if (*right) {
        login_by_dovecot_ = by_dovecot;
        accept_login(by_dovecot ? nullptr : users->find(user), user);
      } else {
        co_await refuse_login(
            user, by_dovecot ? "refused by Dovecot" : why_wrong(*users, user, request.kind));
      }
      break;
    }
    case RequestKind::scram_keys: {
      smtp::Answer keys;
      keys.verdict.keys = users->scram_keys(user);
      keys.verdict.nonce = nonce();
      answer(keys);
      break;
    }
    case RequestKind::scram_proven:
      accept_login(users->find(user), user);
      break;
    case RequestKind::refuse: {
      const bool is_proof = has_users && request.why == "wrong password";
      co_await refuse_login(user, is_proof ? why_wrong(*users, user, request.kind) : request.why);
      break;
    }
    case RequestKind::external:     // above
    case RequestKind::check_token:  // not offered
      co_await refuse_login(user, "not offered");
      break;
  }
}

void Connection::note_login_trouble(Error error) {
  if (error.code == Errc::limit) return answer(rejection(kBusy));
  service_.log().write(log::Event(log::Level::warning, "auth_unavailable")
                           .with("server", settings_->id)
                           .with("peer", peer_.to_string())
                           .with("backend", settings_->access.authentication.dovecot)
                           .with("reason", describe(error.code)));
  answer(rejection(kNotNow));
}

// EXTERNAL: the client is who its certificate says. It needs no entry in the users file, but one
// that is there counts: senders, disabled.
task<void> Connection::accept_certificate(std::string wanted) {
  const std::string& name = tls_identity_ ? *tls_identity_ : wanted;
  const auto users = service_.settings()->access.authentication.users;
  const sasl::User* user = users == nullptr ? nullptr : users->find(name);
  const bool is_other = !wanted.empty() && wanted != name;
  if (!tls_identity_ || is_other || !sasl::why_no_name(name).empty()) {
    co_await refuse_login(wanted, "the certificate has another name");
  } else if (user != nullptr && user->disabled) {
    co_await refuse_login(name, "the user is disabled");
  } else {
    accept_login(user, name);
  }
}

void Connection::accept_login(const sasl::User* user, const std::string& name) {
  service_.login_guard().succeeded(peer_.ip, name, reactor_.now());
  service_.counters().logins.fetch_add(1, std::memory_order_relaxed);
  login_verifiers_ = verifiers_of(user);
  service_.log().write(log::Event(log::Level::info, "authenticated")
                           .with("server", settings_->id)
                           .with("peer", peer_.to_string())
                           .with("user", name)
                           .with("mechanism", to_string(session_.authentication().mechanism)));
  smtp::Answer accepted;
  accepted.user = name;
  answer(accepted);
}

// The reply waits, longer each time: guessing is to cost the guesser.
task<void> Connection::refuse_login(std::string user, std::string_view reason) {
  LoginGuard& guard = service_.login_guard();
  const Duration delay = guard.failed(peer_.ip, user, reactor_.now());
  const auto ban = guard.ban_of(peer_.ip, user, reactor_.now());
  service_.counters().logins_failed.fetch_add(1, std::memory_order_relaxed);
  log::Event event(log::Level::warning, "auth_failed");
  event.with("server", settings_->id)
      .with("peer", peer_.to_string())
      .with("user", user)
      .with("mechanism", to_string(session_.authentication().mechanism))
      .with("reason", reason);
  if (ban)
    event.with(ban->is_address ? "address_banned_until" : "user_banned_until", time_of(ban->until));
  service_.log().write(std::move(event));
  co_await reactor_.sleep_until(reactor_.now() + delay, {kNever, &scope_});
  ++failed_logins_;
  answer(rejection(failed_logins_ >= kLoginFailuresPerSession ? kTooMany : kWrong));
}

// Asked at each MAIL: a right that was revoked ends with the transaction (decisions 30).
std::optional<std::string> Connection::user_refusal() const {
  const std::string& name = session_.user();
  if (name.empty()) return std::nullopt;
  const auto& users = settings_->access.authentication.users;
  const sasl::User* user = users == nullptr ? nullptr : users->find(name);
  const bool may_be_absent = session_.auth_mechanism() == sasl::Mechanism::external;
  if (user == nullptr && (may_be_absent || login_by_dovecot_)) return std::nullopt;
  const bool is_same = may_be_absent || verifiers_of(user) == login_verifiers_;
  if (user == nullptr || user->disabled || !is_same) return kRevoked;
  const smtp::Mailbox& sender = session_.envelope().reverse_path;
  if (user->may_send_as(smtp::to_string(sender))) return std::nullopt;
  return "553 5.7.1 You may not send as " + smtp::to_path(sender);
}

}  // namespace mailroot::receive
