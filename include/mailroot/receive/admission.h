// How many connections a virtual server and each client have, over all shards (decisions 11). One
// per virtual server; any thread. Touched when a connection opens or closes, never per message.
#pragma once

#include <cstdint>
#include <mutex>
#include <unordered_map>

#include "mailroot/base/address.h"

namespace mailroot::receive {

class Admission {
 public:
  enum class Verdict : uint8_t { admitted, server_full, client_full };

  // Limits of 0 mean unlimited. Every `admitted` is paired with one leave().
  Verdict enter(const IpAddress& client, uint32_t limit, uint32_t per_client_limit);
  void leave(const IpAddress& client);
  uint64_t open() const;

 private:
  struct Hash {
    size_t operator()(const IpAddress& address) const noexcept;
  };
  mutable std::mutex mutex_;
  uint64_t open_ = 0;
  std::unordered_map<IpAddress, uint32_t, Hash> per_client_;
};

}  // namespace mailroot::receive
