// Router: who may send to whom and where it goes, for one virtual server. Immutable, made from a
// snapshot on the control thread, shared by the shards; every answer is a pure table lookup.
//
// Addresses arrive as smtp::Mailbox, read by the one grammar: what stands in a local part ("user%
// other", "a!b", a quoted "@") is never looked at, so no trick in it can name another domain.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "mailroot/base/address.h"
#include "mailroot/config/snapshot.h"
#include "mailroot/route/next_hop.h"
#include "mailroot/smtp/envelope.h"

namespace mailroot::route {

enum class RelayGround : uint8_t {
  local_domain,   // default domain, an alias, or no domain at all
  remote_domain,  // its entry has relay: true
  authenticated,  // the client has logged in
  relay_list,     // the client's address is in access.relay.allow and not in deny
  none,           // refused
};
std::string_view to_string(RelayGround ground);

struct RelayDecision {
  RelayGround ground = RelayGround::none;
  bool accepted() const { return ground != RelayGround::none; }
  bool is_local() const { return ground == RelayGround::local_domain; }
  // "550 5.7.1 Unable to relay for <addr>"; empty when accepted.
  std::string reply;
};

class Router {
 public:
  explicit Router(std::shared_ptr<const config::VirtualServer> server);

  // access.connect: deny beats allow, an empty allow list means everybody.
  bool may_connect(const IpAddress& client) const;
  // At RCPT, in the order of IIS (facts of RFC 5321 7.9 hold: no ground, no relay).
  RelayDecision decide(const smtp::Mailbox& recipient, const IpAddress& client,
                       bool authenticated) const;
  // On the relay list, by address alone (stamp_headers, decisions 10).
  bool is_relay_client(const IpAddress& client) const;

  NextHop next_hop(const smtp::Mailbox& recipient) const;

  // Mail for this domain waits until somebody says ETRN (RFC 1985) and its name.
  bool is_kept_until_asked(std::string_view domain) const;
  // Default domain, alias, or empty. Literals are foreign, our own addresses too.
  bool is_local_domain(std::string_view domain) const;
  // A bare or alias address with the default domain; others unchanged.
  smtp::Mailbox restamp(const smtp::Mailbox& recipient) const;
  // The reverse-path for the next hop: local domains become the masquerade domain, if there is one.
  smtp::Mailbox masquerade(const smtp::Mailbox& reverse_path) const;

  const config::VirtualServer& server() const { return *server_; }

 private:
  const config::Domain* find_domain(std::string_view domain) const;

  std::shared_ptr<const config::VirtualServer> server_;
  // Names are views into *server_; wildcards without their "*.".
  std::unordered_map<std::string_view, const config::Domain*> exact_;
  std::unordered_map<std::string_view, const config::Domain*> wildcard_;
};

}  // namespace mailroot::route
