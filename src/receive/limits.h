// Every limit of this module that is no setting (RFC 5321 4.5.3.2 for the timers).
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace mailroot::receive {

// The idle time-out of a virtual server is its `connections.timeout`; these bound it per stage.
inline constexpr std::chrono::minutes kDataInitiationTimeout{2};
inline constexpr std::chrono::minutes kDataBlockTimeout{3};
inline constexpr std::chrono::seconds kReplyTimeout{300};   // a client that does not read
inline constexpr std::chrono::seconds kFarewellTimeout{5};  // to send a last reply
inline constexpr std::chrono::seconds kRefusalTimeout{5};
inline constexpr std::chrono::seconds kProxyHeaderTimeout{10};  // of a balancer, from accept
inline constexpr size_t kProxyAddressesMaxBytes = 4096;       // behind the fixed part of version 2
inline constexpr std::chrono::seconds kHandshakeTimeout{60};  // of TLS, from its first byte
inline constexpr std::chrono::seconds kStopMessageTime{10};   // to finish the one arriving

// A body may take its time, but not for ever: after the grace it must have come at this rate.
inline constexpr std::chrono::seconds kBodyGrace{300};
inline constexpr uint64_t kBodyRateMinBytesPerSecond = 128;

inline constexpr std::chrono::seconds kReverseLookupTimeout{5};  // from the client's connection on

// A header section kept until it is whole, so that what it lacks can stand on top; longer ones are
// passed as they are.
inline constexpr size_t kHeldHeaderMaxBytes = 64 * 1024;

inline constexpr size_t kRepliesGatheredMaxBytes = 8 * 1024;  // then sent, even amid input
inline constexpr std::chrono::milliseconds kMemoryPause{20};  // between looks at slab memory
// A new transaction waits this long for memory, then 452.
inline constexpr std::chrono::seconds kMemoryPatienceAtMail{20};
inline constexpr uint32_t kRefusalsInFlightMax = 256;       // beyond: closed without a word
inline constexpr std::chrono::minutes kRestLogInterval{1};  // of saying that accept rests

// Failed logins. Failures within the window count together; at the limit the address or the account
// is banned, and what is refused during a ban does not lengthen it.
inline constexpr std::chrono::minutes kLoginWindow{15};
inline constexpr std::chrono::minutes kLoginBan{15};
inline constexpr uint32_t kLoginFailuresPerAddress = 10;
inline constexpr uint32_t kLoginFailuresPerAccount = 20;
inline constexpr uint32_t kLoginFailuresPerSession = 3;            // then 421
inline constexpr std::chrono::milliseconds kLoginDelayFirst{250};  // doubled with each failure
inline constexpr uint32_t kLoginDelayDoublingsMax = 3;
inline constexpr std::chrono::seconds kLoginDelayMax{2};
inline constexpr uint8_t kLoginPrefixV6 = 64;            // counts as one address
inline constexpr size_t kLoginFailuresMax = 50'000;      // addresses, and as many accounts
inline constexpr size_t kLoginHomesMax = 50'000;         // (user, address) that a login came from
inline constexpr std::chrono::hours kLoginHomeTime{72};  // during which a ban of the user spares it

// Pickup. A writer that we cannot see (it began before us, or events were lost) is done when its
// file has rested so long, or has not changed between two looks at least kPickupInterval apart.
inline constexpr std::chrono::seconds kPickupInterval{1};
inline constexpr std::chrono::seconds kPickupQuiet{2};
// One of which we know that it still has its file open: when nothing has changed for so long.
inline constexpr std::chrono::seconds kPickupQuietOpen{10};
// A file that may not be read yet: its writer may be about to change its mode.
inline constexpr std::chrono::seconds kPickupUnreadable{10};
// Looks at everything: without events, and beside them. Never more than a fraction of the time.
inline constexpr std::chrono::seconds kPickupScanInterval{30};
inline constexpr int kPickupScanRest = 20;  // times as long as the last look at everything took
// Directories are synced when no file is on its way, and no more rarely than this.
inline constexpr std::chrono::milliseconds kPickupSync{500};
inline constexpr std::chrono::seconds kPickupTroublePauseMax{60};  // looks become that rare
inline constexpr size_t kPickupNamesMax = 65'536;    // names kept; the order is one of these
inline constexpr uint32_t kPickupTornLooksMax = 5;   // events were lost during each; then go on
inline constexpr size_t kPickupSingleLooksMax = 64;  // more are looked at page by page
inline constexpr size_t kPickupInFlightMax = 32;     // files on their way into the spool
inline constexpr size_t kPickupHeldMax = 1000;  // files left in Pickup/cur, see README; then stop
inline constexpr size_t kPickupWindowBytes = 64 * 1024;  // read at once
inline constexpr size_t kPickupPrefixGrowth = 4;  // header sections beyond a window: as many more
inline constexpr size_t kPickupBadNameMax = 200;  // bytes of a name kept in Badmail
inline constexpr uint32_t kPickupBadNamesMax = 1000;  // files of one name in Badmail

}  // namespace mailroot::receive
