// LoginGuard: counts failed logins of one virtual server by address and by account, over all its
// shards; slows them down and bans for a while. Any thread; touched by AUTH only.
//
//   failures of an address (IPv6: its /64) or of an account within kLoginWindow:
//     each is answered later than the one before; at the limit nothing is tried before banned_until
//
// An account that strangers try to guess stays open for the addresses it was used from.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "mailroot/base/address.h"
#include "mailroot/base/time.h"

namespace mailroot::receive {

class LoginGuard {
 public:
  struct Ban {
    bool is_address = false;
    std::string who;  // an address, a /64 of IPv6, or a user
    uint32_t failures = 0;
    Instant until{};
  };

  // The ban that stands against this attempt, the longest if there are two.
  std::optional<Ban> ban_of(const IpAddress& client, const std::string& user, Instant now) const;
  // How long the reply to this failure has to wait.
  Duration failed(const IpAddress& client, const std::string& user, Instant now);
  void succeeded(const IpAddress& client, const std::string& user, Instant now);

  // Those in force, by their end.
  std::vector<Ban> bans(Instant now) const;
  // Forgets the failures of this address or user, of all when `who` is empty; how many bans ended.
  size_t clear(const std::string& who, Instant now);

 private:
  struct Failures {
    uint32_t count = 0;
    Instant window_ends{};
    Instant banned_until{};
  };
  using Table = std::map<std::string, Failures>;

  static std::string name_of(const IpAddress& client);
  static Failures& note(Table& table, const std::string& who, uint32_t limit, Instant now);
  static void make_room(Table& table, Instant now);
  bool is_at_home(const std::string& client, const std::string& user, Instant now) const;

  mutable std::mutex mutex_;
  Table addresses_, accounts_;
  std::map<std::pair<std::string, std::string>, Instant> homes_;  // (user, address) -> until
};

}  // namespace mailroot::receive
