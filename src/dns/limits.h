// Every limit of this module.
#pragma once

#include <chrono>
#include <cstddef>

namespace mailroot::dns {

inline constexpr size_t kMailHostsMax = 16;  // best by preference; the rest is not asked
inline constexpr size_t kAddressesPerHostMax = 16;
inline constexpr size_t kCacheEntriesMax = 10'000;  // per shard; the whole cache restarts above
inline constexpr std::chrono::seconds kTtlMin{30};
inline constexpr std::chrono::seconds kTtlMax{3600};
inline constexpr std::chrono::seconds kQueryTimeout{30};  // one question, all servers tried
inline constexpr size_t kTlsaRecordsMax = 32;             // of one host; more are not looked at
inline constexpr int kAliasChainMax = 8;

}  // namespace mailroot::dns
