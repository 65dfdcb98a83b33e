// When a token is used, renewed, and asked for again after a failure. Pure arithmetic.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "mailroot/base/time.h"

namespace mailroot::oauth {

struct Lifetime {
  Instant renew_at{};      // from then on a new one is fetched beside the mail
  Instant usable_until{};  // from then on mail waits for the new one
};
// `random` spreads renewals over a tenth of the lifetime.
Lifetime lifetime_of(Instant now, std::chrono::seconds lifetime, uint64_t random);

// How long after failure number `failures` (from 1) nothing is asked.
std::chrono::seconds backoff_of(uint32_t failures, bool is_final,
                                std::optional<std::chrono::seconds> retry_after);

}  // namespace mailroot::oauth
