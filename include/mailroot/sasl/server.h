// The server's side of SASL mechanisms (RFC 4422) as state machines: decoded responses in,
// challenges, questions and the end out. Pure; one per attempt, in its session.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "mailroot/sasl/scram.h"

namespace mailroot::sasl {

enum class Mechanism : uint8_t {
  plain,               // RFC 4616
  login,               // draft-murchison-sasl-login
  scram_sha_256,       // RFC 7677
  scram_sha_256_plus,  // ... with channel binding
  external,            // RFC 4422 A
  xoauth2,             // Google's, before the next
  oauthbearer,         // RFC 7628
};
inline constexpr Mechanism kMechanisms[] = {Mechanism::plain,         Mechanism::login,
                                            Mechanism::scram_sha_256, Mechanism::scram_sha_256_plus,
                                            Mechanism::external,      Mechanism::xoauth2,
                                            Mechanism::oauthbearer};

// As in EHLO and in configuration: "SCRAM-SHA-256".
std::string_view to_string(Mechanism mechanism);
// In any case; nothing for one we do not know.
std::optional<Mechanism> find_mechanism(std::string_view name);

// A set of them.
class Mechanisms {
 public:
  constexpr Mechanisms() = default;
  void add(Mechanism mechanism) { bits_ |= bit(mechanism); }
  void remove(Mechanism mechanism) { bits_ &= static_cast<uint16_t>(~bit(mechanism)); }
  bool has(Mechanism mechanism) const { return (bits_ & bit(mechanism)) != 0; }
  bool empty() const { return bits_ == 0; }
  friend bool operator==(const Mechanisms&, const Mechanisms&) = default;

 private:
  static constexpr uint16_t bit(Mechanism mechanism) {
    return static_cast<uint16_t>(1u << static_cast<int>(mechanism));
  }
  uint16_t bits_ = 0;
};

// What ties an exchange to the TLS connection below it (RFC 5929, RFC 9266), as octets; empty
// where there is none.
struct ChannelBinding {
  std::string tls_exporter;
  std::string tls_server_end_point;
  bool empty() const { return tls_exporter.empty() && tls_server_end_point.empty(); }
};

// What a mechanism cannot know by itself. `refuse` is no question: the client is wrong whoever it
// is, and the answer is a rejection; it is asked so that the failure is counted and slowed down.
enum class RequestKind : uint8_t {
  check_password,  // is `secret` the password of `user`?
  scram_keys,      // the keys of `user`, made up when there is no such user, and a nonce of ours
  scram_proven,    // `user` has proved the keys given: may it log in?
  external,        // may the client be `user` ("" = who its certificate says)?
  check_token,     // is `secret` a token of `user` ("" = whose token it is)?
  refuse,
};

struct Request {
  RequestKind kind = RequestKind::refuse;
  Mechanism mechanism = Mechanism::plain;
  std::string user;
  std::string secret;    // never logged
  std::string_view why;  // of refuse, for the log; static storage
};

struct Verdict {
  bool accept = false;
  ScramKeys keys = {};     // with accept, of scram_keys
  std::string nonce = {};  // ..., printable ASCII without commas
};

class ServerMachine;

class ServerExchange {
 public:
  enum class Step : uint8_t {
    challenge,  // send challenge(), bring the response
    ask,        // request() is open: bring the verdict
    done,       // request().user, or who the driver says, has authenticated
    failed,     // by a verdict
    malformed,  // the response is not what the mechanism defines
  };

  // `binding`: of the connection, copied. `plus_offered`: the client was told of -PLUS.
  ServerExchange(Mechanism mechanism, ChannelBinding binding, bool plus_offered);
  ~ServerExchange();
  ServerExchange(ServerExchange&&) noexcept;
  ServerExchange& operator=(ServerExchange&&) noexcept;

  Step begin();  // without an initial response
  Step respond(std::string_view response);
  Step answer(const Verdict& verdict);
  Mechanism mechanism() const;
  const std::string& challenge() const;
  const Request& request() const;

 private:
  std::unique_ptr<ServerMachine> machine_;
};

}  // namespace mailroot::sasl
