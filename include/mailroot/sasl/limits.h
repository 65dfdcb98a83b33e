// Every limit of authentication that is not configuration, by name. Sizes are octets.
#pragma once

#include <cstddef>
#include <cstdint>

namespace mailroot::sasl {

inline constexpr size_t kNameMax = 255;       // of a user (RFC 4616 allows 255 characters)
inline constexpr size_t kPasswordMax = 1024;  // more is refused unseen, as a wrong one
inline constexpr size_t kNonceMax = 256;      // of a client
inline constexpr size_t kTokenMax = 8 * 1024;
// One decoded response of a client; RFC 4954 4: 12,288 octets of base64.
inline constexpr size_t kResponseMax = 9 * 1024;

inline constexpr uint32_t kScramIterations = 4096;  // of new keys, RFC 7677 4
inline constexpr uint32_t kScramIterationsMin = 4096;
inline constexpr uint32_t kScramIterationsMax = 10'000'000;
inline constexpr size_t kSaltBytes = 16;  // of new keys
inline constexpr size_t kSaltMax = 256;

inline constexpr size_t kUsersFileMax = 32 * 1024 * 1024;
inline constexpr size_t kUsersMax = 200'000;
inline constexpr size_t kUserLineMax = 4096;
inline constexpr size_t kSendersMax = 100;      // of one user
inline constexpr size_t kUserProblemsMax = 20;  // reported of one file

}  // namespace mailroot::sasl
