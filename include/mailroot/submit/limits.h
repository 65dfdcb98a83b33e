// Every limit of submission, by name.
#pragma once

#include <cstddef>
#include <cstdint>

namespace mailroot::submit {

inline constexpr size_t kHeadMax = 1024 * 1024;  // bytes of a request before its content
inline constexpr size_t kRecipientsMax = 1000;   // before and after aliases
inline constexpr uint64_t kContentMax = 256 * 1024 * 1024;
inline constexpr int kIdleSeconds = 60;    // a client that neither sends nor reads
inline constexpr int kTotalSeconds = 600;  // one request
inline constexpr int kBusySeconds = 60;    // how long a service that has no place is asked again
inline constexpr size_t kAliasesFileMax = 1024 * 1024;
inline constexpr size_t kAliasDepthMax = 16;

}  // namespace mailroot::submit
