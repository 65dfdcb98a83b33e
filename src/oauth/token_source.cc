#include "mailroot/oauth/token_source.h"

#include <fmt/format.h>
#include <openssl/rand.h>

#include <chrono>
#include <map>
#include <mutex>
#include <utility>

#include "mailroot/config/secret_file.h"
#include "mailroot/http/handover.h"
#include "mailroot/oauth/limits.h"
#include "mailroot/oauth/schedule.h"
#include "mailroot/oauth/token_request.h"

namespace mailroot::oauth {

namespace {

using Done = std::move_only_function<void(TokenOutcome)>;

// One line a setting: none of them has a line end.
std::string key_of(const Wanted& wanted) {
  const config::OAuth& s = wanted.settings;
  return fmt::format("{}\n{}\n{}\n{}\n{}\n{}\n{}\n{}\n{}\n{}", static_cast<int>(s.grant),
                     s.token_url, s.client_id, s.client_secret_file, s.certificate, s.key,
                     s.refresh_token_file, s.service_account_file, s.scope,
                     s.grant == config::OAuthGrant::service_account ? wanted.username : "");
}

struct Entry {
  Wanted wanted;
  sasl::Secret token;  // empty: none
  Lifetime lifetime;
  bool is_asking = false;
  std::vector<Done> waiting;  // for the request under way
  std::string problem;        // of the newest failure; empty: none
  Instant retry_at{};
  uint32_t failures = 0;  // since the last token
  sasl::Secret unstored_refresh_token;
  int64_t skew_seconds = 0;  // the endpoint's clock less ours
};

}  // namespace

struct TokenSource::State : std::enable_shared_from_this<State> {
  State(http::Client& client_in, Clocks clocks_in, std::function<void(std::string)> warn_in)
      : client(client_in), clocks(std::move(clocks_in)), warn(std::move(warn_in)) {}

  void ask(const std::string& key);
  void send(const std::string& key);
  void take(const std::string& key, http::Outcome outcome);
  void settle(const std::string& key, std::expected<TokenAnswer, Refusal> answer);
  std::string store_refresh_token(const Wanted& wanted, const sasl::Secret& token);

  http::Client& client;
  Clocks clocks;
  std::function<void(std::string)> warn;
  std::mutex mutex;  // of what follows; never held while anything is called back
  std::map<std::string, Entry> entries;
  bool is_over = false;
};

Clocks system_clocks() {
  Clocks clocks;
  clocks.now = [] {
    const auto since = std::chrono::steady_clock::now().time_since_epoch();
    return Instant(std::chrono::duration_cast<Duration>(since));
  };
  clocks.wall_seconds = [] {
    const auto since = std::chrono::system_clock::now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::seconds>(since).count();
  };
  clocks.random = [] {
    uint64_t value = 0;
    RAND_bytes(reinterpret_cast<unsigned char*>(&value), sizeof value);
    return value;
  };
  return clocks;
}

TokenSource::TokenSource(http::Client& client, Clocks clocks, std::function<void(std::string)> warn)
    : state_(std::make_shared<State>(client, std::move(clocks), std::move(warn))) {}

TokenSource::~TokenSource() {
  const std::lock_guard lock(state_->mutex);
  state_->is_over = true;
}

void TokenSource::get(const Wanted& wanted, Done done) {
  const std::string key = key_of(wanted);
  std::optional<TokenOutcome> known;
  bool asks = false;
  {
    const std::lock_guard lock(state_->mutex);
    if (state_->entries.size() >= kSourcesMax && !state_->entries.contains(key)) {
      known = std::unexpected(NoToken{"too many different OAuth credentials"});
    } else {
      Entry& entry = state_->entries[key];
      entry.wanted = wanted;
      const Instant now = state_->clocks.now();
      const bool has_token = !entry.token.empty() && now < entry.lifetime.usable_until;
      const bool rests = !entry.problem.empty() && now < entry.retry_at;
      if (has_token) {
        known = entry.token;
        asks = now >= entry.lifetime.renew_at && !entry.is_asking && !rests;
      } else if (rests) {
        known = std::unexpected(NoToken{entry.problem});
      } else {
        entry.waiting.push_back(std::move(done));
        asks = !entry.is_asking;
      }
      if (asks) entry.is_asking = true;
    }
  }
  if (asks) state_->ask(key);
  if (known) done(std::move(*known));
}

void TokenSource::refuse(const Wanted& wanted, const sasl::Secret& token) {
  const std::lock_guard lock(state_->mutex);
  const auto found = state_->entries.find(key_of(wanted));
  if (found != state_->entries.end() && found->second.token == token) found->second.token.clear();
}

void TokenSource::retry_now() {
  const std::lock_guard lock(state_->mutex);
  for (auto& [key, entry] : state_->entries) {
    entry.problem.clear();
    entry.failures = 0;
  }
}

void TokenSource::State::ask(const std::string& key) {
  const auto self = shared_from_this();
  if (client.run([self, key] { self->send(key); })) return;
  Refusal refusal;
  refusal.text = "too many requests for tokens wait";
  settle(key, std::unexpected(std::move(refusal)));
}

// On the client's thread: it reads files.
void TokenSource::State::send(const std::string& key) {
  Wanted wanted;
  sasl::Secret refresh_token;
  RequestMoment moment;
  {
    const std::lock_guard lock(mutex);
    const Entry& entry = entries.at(key);
    wanted = entry.wanted;
    refresh_token = entry.unstored_refresh_token;
    moment.wall_seconds = clocks.wall_seconds() + entry.skew_seconds;
  }
  moment.random[0] = clocks.random();
  moment.random[1] = clocks.random();
  auto request = make_token_request(wanted.settings, wanted.username, refresh_token, moment);
  if (!request) {
    settle(key, std::unexpected(std::move(request.error())));
    return;
  }
  const auto self = shared_from_this();
  client.fetch(std::move(*request),
               [self, key](http::Outcome outcome) { self->take(key, std::move(outcome)); });
}

void TokenSource::State::take(const std::string& key, http::Outcome outcome) {
  if (!outcome) {
    settle(key, std::unexpected(refusal_of(outcome.error())));
    return;
  }
  if (outcome->date) {
    const int64_t skew = *outcome->date - clocks.wall_seconds();
    const std::lock_guard lock(mutex);
    entries.at(key).skew_seconds = std::abs(skew) < kClockSkewMinSeconds ? 0 : skew;
  }
  auto answer = read_token_answer(*outcome);
  if (answer && !answer->refresh_token.empty()) {
    Wanted wanted;
    {
      const std::lock_guard lock(mutex);
      wanted = entries.at(key).wanted;
    }
    const std::string why = store_refresh_token(wanted, answer->refresh_token);
    const std::lock_guard lock(mutex);
    Entry& entry = entries.at(key);
    if (why.empty()) {
      entry.unstored_refresh_token.clear();
    } else {
      entry.unstored_refresh_token = answer->refresh_token;
    }
  }
  settle(key, std::move(answer));
}

// A refresh token may be valid once only: the new one is on the disk before the token is used.
std::string TokenSource::State::store_refresh_token(const Wanted& wanted,
                                                    const sasl::Secret& token) {
  if (wanted.settings.grant != config::OAuthGrant::refresh_token) return {};
  const std::string& path = wanted.settings.refresh_token_file;
  const auto stored = config::read_secret_line(path);
  if (stored && *stored == token) return {};
  std::string why = config::replace_secret_file(path, token.reveal() + "\n");
  if (!why.empty()) {
    warn(fmt::format("the new refresh token is kept in memory only: {} {}", path, why));
  }
  return why;
}

void TokenSource::State::settle(const std::string& key,
                                std::expected<TokenAnswer, Refusal> answer) {
  std::vector<Done> waiting;
  TokenOutcome outcome;
  {
    const std::lock_guard lock(mutex);
    Entry& entry = entries.at(key);
    const Instant now = clocks.now();
    entry.is_asking = false;
    waiting.swap(entry.waiting);
    if (answer) {
      entry.token = std::move(answer->access_token);
      entry.lifetime = lifetime_of(now, answer->lifetime, clocks.random());
      entry.problem.clear();
      entry.failures = 0;
      outcome = entry.token;
    } else {
      ++entry.failures;
      entry.problem = std::move(answer.error().text);
      entry.retry_at =
          now + backoff_of(entry.failures, answer.error().is_final, answer.error().retry_after);
      outcome = std::unexpected(NoToken{entry.problem});
    }
  }
  for (Done& done : waiting) done(outcome);
}

reactor::task<result<TokenOutcome>> token_for(TokenSource& source, reactor::Reactor& reactor,
                                              Wanted wanted, reactor::Wait wait) {
  http::Handover<TokenOutcome> handover(reactor);
  source.get(wanted, handover.giver());
  auto outcome = co_await handover.take(wait);
  co_return outcome;
}

}  // namespace mailroot::oauth
