// TokenSource: access tokens for next hops, one for each credential, shared by all shards. Fetched
// when the first mail needs one, renewed beside the mail before it ends, one request at a time.
//
//   none --get--> asking --> held --renew_at, get--> held, asking --> held
//                   |          | usable_until, refuse()
//                   v          v
//                failed --(backoff over, get)--> asking
#pragma once

#include <expected>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "mailroot/base/time.h"
#include "mailroot/config/login.h"
#include "mailroot/http/client.h"
#include "mailroot/reactor/reactor.h"
#include "mailroot/sasl/secret.h"

namespace mailroot::oauth {

// A token for this mailbox from this place. Equal ones share a token.
struct Wanted {
  config::OAuth settings;
  std::string username;  // of a service account: on whose behalf
  friend bool operator==(const Wanted&, const Wanted&) = default;
};

// Why there is no token: a sentence for the log and the queue. No secret is in it.
struct NoToken {
  std::string text;
};

using TokenOutcome = std::expected<sasl::Secret, NoToken>;

// The clocks, for tests to change.
struct Clocks {
  std::function<Instant()> now;           // steady
  std::function<int64_t()> wall_seconds;  // since 1970
  std::function<uint64_t()> random;       // unpredictable: ids of assertions
};
Clocks system_clocks();

class TokenSource {
 public:
  // `warn` gets a sentence when a rotated refresh token could not be stored; any thread.
  TokenSource(http::Client& client, Clocks clocks, std::function<void(std::string)> warn);
  ~TokenSource();  // requests under way are left to the client
  TokenSource(const TokenSource&) = delete;
  TokenSource& operator=(const TokenSource&) = delete;

  // Any thread. `done` is called once: at once when the answer is known, else on the client's
  // thread.
  void get(const Wanted& wanted, std::move_only_function<void(TokenOutcome)> done);
  // Any thread. The server does not take this token: the next get() fetches another one.
  void refuse(const Wanted& wanted, const sasl::Secret& token);
  // Any thread. Failures are forgotten: secrets may have been replaced (SIGHUP).
  void retry_now();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

// For coroutines. Failures of the wait are those of Wait.
reactor::task<result<TokenOutcome>> token_for(TokenSource& source, reactor::Reactor& reactor,
                                              Wanted wanted, reactor::Wait wait);

}  // namespace mailroot::oauth
