// Delivery status notifications (RFC 3464, 3461, 6533): multipart/report with plain words, a
// machine-readable part and the original message or its header section. Pure. The original's
// content is not copied: it stands between `prefix` and `suffix`.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mailroot/base/time.h"
#include "mailroot/message/limits.h"
#include "mailroot/smtp/content.h"
#include "mailroot/smtp/delivery_outcome.h"
#include "mailroot/smtp/envelope.h"

namespace mailroot::message {

enum class DsnKind : uint8_t {
  failed,
  delayed,
  relayed,    // handed to a host that does not offer DSN (RFC 3461 5.2.2)
  delivered,  // into Drop
};

// Does this recipient's NOTIFY ask for a DSN of this kind? Without NOTIFY: failed and delayed.
// The null reverse-path never gets one, whatever this says (RFC 5321 4.5.5).
bool is_wanted(DsnKind kind, const smtp::Notify& notify);

struct DsnRecipient {
  const smtp::Recipient* recipient = nullptr;
  const smtp::DeliveryOutcome* outcome = nullptr;  // the newest attempt; null: never tried
  bool expired = false;                            // failed because its time ran out
  std::optional<WallTime> last_attempt_at = std::nullopt;
};

// Everything must outlive the call only.
struct DsnRequest {
  DsnKind kind = DsnKind::failed;
  const smtp::Envelope* original = nullptr;  // reverse-path not null: asserted
  std::vector<DsnRecipient> recipients;      // at least one
  std::string_view reporting_mta;            // our FQDN
  std::string_view default_domain;           // From: postmaster@default_domain
  std::string_view original_queue_id;
  std::string_view received_from;  // EHLO name of the client, may be empty
  WallTime arrived_at;
  WallTime now;
  std::optional<WallTime> retry_until;  // delayed
  std::string_view own_queue_id;        // of the DSN: Message-ID and boundary are made of it
  uint64_t content_size_bytes = 0;      // of the original
  uint64_t header_size_bytes = 0;       // of its header section, empty line excluded (HeaderScan)
  smtp::ContentTraits traits;           // of the original
  uint64_t full_size_limit_bytes = kDsnFullMax;  // larger originals return their header only
};

struct Dsn {
  smtp::Envelope envelope;  // null reverse-path, the original's reverse-path as only recipient
  std::string prefix;
  uint64_t original_bytes = 0;  // then so many first bytes of the original's content
  std::string suffix;
  smtp::ContentTraits traits;  // of the whole
  uint64_t size_bytes() const { return prefix.size() + original_bytes + suffix.size(); }
};

Dsn build_dsn(const DsnRequest& request);

}  // namespace mailroot::message
