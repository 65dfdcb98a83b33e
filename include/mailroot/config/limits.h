// Every limit of the configuration module, by name.
#pragma once

#include <cstddef>
#include <cstdint>

#include "mailroot/base/bytes.h"

namespace mailroot::config {

inline constexpr uint64_t kFileSizeMax = kMiB;           // of one configuration file
inline constexpr size_t kNodesMax = 100'000;             // in one file, aliases expanded
inline constexpr size_t kExpandedBytesMax = 8 * kMiB;    // text of one file, aliases expanded
inline constexpr size_t kDepthMax = 32;                  // nesting of lists and maps in one file
inline constexpr size_t kServersMax = 10'000;            // files one include may match
inline constexpr size_t kProblemsMax = 1'000;            // reported; more are only counted
inline constexpr size_t kFoundTextMax = 60;              // bytes of an offending value in a message
inline constexpr size_t kServerIdMax = 64;               // bytes of a file's stem
inline constexpr size_t kTextMax = 400;                  // bytes of a free text (name, banner)
inline constexpr size_t kPathMax = 1'000;                // bytes of a path
inline constexpr size_t kBindingsMax = 1'000;            // of one virtual server
inline constexpr size_t kDomainsMax = 50'000;            // of one virtual server
inline constexpr size_t kSmartHostsMax = 32;             // in one list
inline constexpr size_t kCertificatesMax = 100;          // of one virtual server
inline constexpr size_t kClientCertificatesMax = 1'000;  // fingerprints, names in one list
inline constexpr size_t kCertificateNamesMax = 100;      // delivery.security.names
inline constexpr size_t kNetworksMax = 10'000;           // in one list
inline constexpr size_t kRetryIntervalsMax = 100;        // in one list
inline constexpr size_t kResolversMax = 16;              // dns.resolvers
inline constexpr size_t kSocketPathMax = 107;            // bytes; sun_path of Linux less its end
inline constexpr size_t kProcNetMax = 16 * kMiB;         // read of /proc/net/tcp, and of tcp6
inline constexpr size_t kSecretBytesMax = 64 * kKiB;     // of a file with a secret or a key
inline constexpr int kAskDaemonSeconds = 5;              // for the running daemon to answer

}  // namespace mailroot::config
