#include "mailroot/receive/admission.h"

#include "mailroot/base/assert.h"
#include "mailroot/base/bytes.h"
#include "mailroot/base/crc32c.h"

namespace mailroot::receive {

size_t Admission::Hash::operator()(const IpAddress& address) const noexcept {
  return crc32c(std::as_bytes(std::span(address.bytes())));
}

Admission::Verdict Admission::enter(const IpAddress& client, uint32_t limit,
                                    uint32_t per_client_limit) {
  const std::lock_guard guard(mutex_);
  if (limit != 0 && open_ >= limit) return Verdict::server_full;
  uint32_t& count = per_client_[client];
  if (per_client_limit != 0 && count >= per_client_limit) return Verdict::client_full;
  ++count;
  ++open_;
  return Verdict::admitted;
}

void Admission::leave(const IpAddress& client) {
  const std::lock_guard guard(mutex_);
  const auto found = per_client_.find(client);
  MAILROOT_ASSERT(found != per_client_.end() && open_ > 0, "a connection leaves once");
  if (--found->second == 0) per_client_.erase(found);
  --open_;
}

uint64_t Admission::open() const {
  const std::lock_guard guard(mutex_);
  return open_;
}

}  // namespace mailroot::receive
