// Every limit of tls/, by name.
#pragma once

#include <cstddef>

#include "mailroot/base/bytes.h"
#include "mailroot/base/time.h"

namespace mailroot::tls {

inline constexpr size_t kPemFileMax = kMiB;             // of one certificate, key or CA file
inline constexpr size_t kChainMax = 16;                 // certificates of a chain we send or verify
inline constexpr size_t kPlainBufferBytes = 16 * kKiB;  // one record's plaintext at most
inline constexpr size_t kGatherBytes = 16 * kKiB;       // small pieces become one record
inline constexpr size_t kOutputHighBytes = 64 * kKiB;   // ciphertext is sent from here on
inline constexpr size_t kOutputKeepBytes = 4 * kKiB;    // capacity that an idle connection keeps
inline constexpr size_t kHandshakeInputMax = 128 * kKiB;  // of a peer that is not done yet
inline constexpr size_t kTicketKeys = 2;                  // the current one and the one before
inline constexpr Duration kTicketLife = std::chrono::hours(4);  // a key encrypts, then decrypts
inline constexpr Duration kExpirySoon = std::chrono::hours(24 * 14);  // a warning from here on
inline constexpr size_t kErrorTextMax = 160;                          // bytes of a reason

}  // namespace mailroot::tls
