// The base of the server's mechanisms. Private to sasl/.
#pragma once

#include "mailroot/sasl/server.h"

namespace mailroot::sasl {

using Step = ServerExchange::Step;

class ServerMachine {
 public:
  explicit ServerMachine(Mechanism mechanism) { request_.mechanism = mechanism; }
  virtual ~ServerMachine() { wipe(request_.secret); }
  ServerMachine(const ServerMachine&) = delete;
  ServerMachine& operator=(const ServerMachine&) = delete;

  // Where the client speaks first it is asked to by an empty challenge.
  virtual Step begin() { return challenge_with(""); }
  virtual Step respond(std::string_view response) = 0;
  // Without the secret, which is not needed any more.
  virtual Step judge(const Verdict& verdict) { return verdict.accept ? Step::done : Step::failed; }

  Step answer(const Verdict& verdict) {
    wipe(request_.secret);
    return judge(verdict);
  }
  Mechanism mechanism() const { return request_.mechanism; }
  const std::string& challenge() const { return challenge_; }
  const Request& request() const { return request_; }

 protected:
  Step challenge_with(std::string_view text) {
    challenge_ = text;
    return Step::challenge;
  }
  Step ask(RequestKind kind) {
    request_.kind = kind;
    return Step::ask;
  }
  Step refuse(std::string_view why) {
    request_.why = why;
    return ask(RequestKind::refuse);
  }
  // Nobody may act for somebody else: an authorization identity is empty or the user itself.
  bool acts_for_another(std::string_view authorization) const {
    return !authorization.empty() && authorization != request_.user;
  }

  Request request_;

 private:
  std::string challenge_;
};

inline constexpr std::string_view kForAnother = "wants to act for another user";

std::unique_ptr<ServerMachine> make_plain();
std::unique_ptr<ServerMachine> make_login();
std::unique_ptr<ServerMachine> make_scram(Mechanism mechanism, ChannelBinding binding,
                                          bool plus_offered);
std::unique_ptr<ServerMachine> make_external();
std::unique_ptr<ServerMachine> make_token(Mechanism mechanism);

}  // namespace mailroot::sasl
