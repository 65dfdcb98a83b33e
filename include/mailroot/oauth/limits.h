// Limits of OAuth, by name.
#pragma once

#include <cstddef>
#include <cstdint>

#include "mailroot/base/bytes.h"
#include "mailroot/base/time.h"

namespace mailroot::oauth {

inline constexpr size_t kAnswerBytesMax = 64 * kKiB;  // of a token endpoint
inline constexpr size_t kAnswerDepthMax = 8;          // of its JSON
inline constexpr size_t kTokenBytesMax =
    8 * kKiB;  // an access token; on the wire it grows by a third
inline constexpr size_t kSecretFileMax = 64 * kKiB;  // a secret, a key, a service account
inline constexpr size_t kWordsMax = 300;             // of what an endpoint says, in our own words
inline constexpr size_t kSourcesMax = 10'000;        // different credentials in one service

inline constexpr Duration kRequestTimeout = std::chrono::seconds(20);
// A token is used until this long before its end: it must last for the connection and the login.
inline constexpr std::chrono::seconds kMargin{60};
inline constexpr std::chrono::seconds kLifetimeUnknown{300};  // expires_in is optional
inline constexpr std::chrono::seconds kLifetimeMax{24 * 3600};
// Between a failure and the next request: doubled each time.
inline constexpr std::chrono::seconds kBackoffMin{5};
inline constexpr std::chrono::seconds kBackoffMax{300};
inline constexpr std::chrono::seconds kBackoffRefused{60};  // an administrator has to act first
// An assertion is valid from so long before now, and for so long (both sides' clocks differ).
inline constexpr int64_t kAssertionBeforeSeconds = 60;
inline constexpr int64_t kAssertionLifetimeSeconds = 540;
inline constexpr int64_t kClockSkewMinSeconds = 30;  // less is not corrected

}  // namespace mailroot::oauth
