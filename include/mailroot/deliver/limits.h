// Every limit of deliver/ that is not configuration, by name.
#pragma once

#include <cstddef>
#include <cstdint>

#include "mailroot/base/bytes.h"
#include "mailroot/base/time.h"

namespace mailroot::deliver {

inline constexpr uint32_t kRecipientsPerTransaction =
    100;                                         // RFC 5321 4.5.3.1.8: all servers take it
inline constexpr size_t kTargetsMax = 20;        // addresses of one next hop looked at
inline constexpr uint32_t kHostsPerAttempt = 5;  // connections one attempt may open
inline constexpr uint32_t kTransactionsPerAttempt = 2000;  // recipients come in batches
inline constexpr size_t kDeadHostsMax = 4096;              // remembered
inline constexpr size_t kGatherViews = 256;                // views of content in one send
inline constexpr uint32_t kSettlementsPerCourier = 8;      // while the next message is sent
inline constexpr uint32_t kNoticesAtOnce = 16;             // delay and expiry reports being made

inline constexpr Duration kResolveTimeout = std::chrono::seconds(30);
inline constexpr Duration kTokenTimeout = std::chrono::seconds(45);  // its endpoint asked, once
inline constexpr Duration kDeadHostRest = std::chrono::minutes(1);
inline constexpr Duration kBrokenTlsRest = std::chrono::minutes(30);
inline constexpr Duration kHandshakeTimeout = std::chrono::seconds(60);  // of TLS
inline constexpr Duration kIdleKeep = std::chrono::seconds(2);           // an unused connection
inline constexpr Duration kConnectionLifetime = std::chrono::minutes(5);
inline constexpr size_t kTracedLineMax = 1024;  // of a command or reply in the protocol log
inline constexpr Duration kStopGrace = std::chrono::seconds(5);    // for a final reply
inline constexpr Duration kSettleRetry = std::chrono::seconds(1);  // the journal said no
// A reply may come line by line, each in time, but not for longer than this many timeouts.
inline constexpr int kTimeoutsPerReply = 3;
inline constexpr uint64_t kContentRateMin = 256;  // bytes a second that a peer has to take

}  // namespace mailroot::deliver
