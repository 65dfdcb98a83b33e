// Every limit of this module.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace mailroot::control {

inline constexpr size_t kLogRingMax = 65'536;  // events a thread may be ahead of the writer
inline constexpr std::chrono::milliseconds kLogInterval{50};
inline constexpr size_t kProtocolLinesMax = 65'536;  // of one server, ahead of the writer
inline constexpr std::chrono::milliseconds kProtocolInterval{200};
inline constexpr size_t kProtocolWriteBytes = 64 * 1024;
inline constexpr std::chrono::seconds kProtocolRetry{10};  // after a file failed
inline constexpr size_t kCommandBytesMax = 4096;
inline constexpr size_t kControlConnectionsMax = 64;
// So many that those without any right cannot keep out who has one.
inline constexpr size_t kControlStrangersMax = 16;
inline constexpr std::chrono::minutes kControlIdleTimeout{10};
inline constexpr std::chrono::seconds kControlReplyTimeout{30};
inline constexpr size_t kMetricsConnectionsMax = 32;
inline constexpr size_t kMetricsRequestMax = 8192;  // bytes of a request and its headers
inline constexpr std::chrono::seconds kMetricsRequestTimeout{5};
inline constexpr std::chrono::seconds kMetricsReplyTimeout{10};
inline constexpr std::chrono::seconds kMetricsBindRetry{10};  // while the port is taken
inline constexpr std::chrono::milliseconds kMetricsFresh{
    250};  // one text serves all who ask within
inline constexpr uint32_t kQueuePageMax = 1000;
inline constexpr uint32_t kQueuePageDefault = 100;

}  // namespace mailroot::control
