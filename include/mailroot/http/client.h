// http::Client: outgoing HTTPS for token endpoints and policies, by libcurl on one thread of its
// own. No shard ever waits in it: answers come back as a call (or a coroutine, see handover.h).
#pragma once

#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "mailroot/base/time.h"
#include "mailroot/http/limits.h"
#include "mailroot/reactor/reactor.h"

namespace mailroot::http {

struct Request {
  // https only; plain http to a loopback address, where nobody listens but ourselves.
  std::string url;
  std::optional<std::string> body = {};   // there: POST; else GET
  std::vector<std::string> headers = {};  // "Content-Type: text/plain"
  Duration timeout = kTimeout;
  size_t body_bytes_max = kBodyBytesMax;  // of the answer; a longer one is a failure
};

// Redirects are never followed: a token request carries secrets, and a policy must not move
// (RFC 8461 3.3). They are answers with a status of 3xx.
struct Answer {
  int status = 0;
  std::string content_type;  // without parameters, lower case
  std::string body;
  std::optional<std::chrono::seconds> retry_after;  // 0 to kRetryAfterMaxSeconds
  std::optional<int64_t> date;                      // of the server, in seconds since 1970
};

enum class FailureKind : uint8_t {
  not_allowed,  // the URL
  unreachable,  // name or connection
  untrusted,    // TLS
  timed_out,
  too_large,
  broken,      // not HTTP, or cut off
  overloaded,  // kWaitingMax
  stopping,
};

struct Failure {
  FailureKind kind = FailureKind::broken;
  std::string text;  // a sentence without full stop; no secret is in it
};

using Outcome = std::expected<Answer, Failure>;

struct ClientOptions {
  std::string proxy;    // "http://proxy.example:3128"; empty: none, whatever the environment says
  std::string ca_file;  // PEM; empty: the system's
};

// Why this URL is not asked, else empty.
std::string wrong_with_url(const std::string& url);

class Client {
 public:
  explicit Client(ClientOptions options);
  ~Client();  // what is under way fails as `stopping`; joins the thread
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // Any thread. `done` is called once, on the client's thread, and must not block for long.
  void fetch(Request request, std::move_only_function<void(Outcome)> done);
  // Any thread. Runs `job` on the client's thread: reading a file or signing beside a request.
  // False: too many wait, or it is stopping; `job` is then gone.
  bool run(std::move_only_function<void()> job);
  // Any thread; for requests from now on.
  void use(ClientOptions options);

 private:
  class Worker;
  std::unique_ptr<Worker> worker_;
};

// For coroutines of a reactor. Failures of the wait are those of Wait.
reactor::task<result<Outcome>> fetch(Client& client, reactor::Reactor& reactor, Request request,
                                     reactor::Wait wait);

}  // namespace mailroot::http
