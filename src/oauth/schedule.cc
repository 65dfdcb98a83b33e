#include "mailroot/oauth/schedule.h"

#include <algorithm>

#include "mailroot/oauth/limits.h"

namespace mailroot::oauth {

using std::chrono::seconds;

Lifetime lifetime_of(Instant now, seconds lifetime, uint64_t random) {
  const Duration whole = std::clamp(lifetime, seconds(0), kLifetimeMax);
  const Duration margin = std::min<Duration>(kMargin, whole / 4);
  const Duration spread = whole / 10 * static_cast<int64_t>(random % 1000) / 1000;
  Lifetime out;
  out.usable_until = now + whole - margin;
  out.renew_at = now + whole / 2 + spread;
  return out;
}

seconds backoff_of(uint32_t failures, bool is_final, std::optional<seconds> retry_after) {
  constexpr uint32_t kDoublingsMax = 10;
  const uint32_t doublings = std::min(failures == 0 ? 0 : failures - 1, kDoublingsMax);
  seconds wait = std::min(kBackoffMin * (1 << doublings), kBackoffMax);
  if (is_final) wait = std::max(wait, kBackoffRefused);
  return retry_after ? std::max(wait, *retry_after) : wait;
}

}  // namespace mailroot::oauth
