// Outcomes that deliver decides by itself: DNS, connections, Drop.
#pragma once

#include <string>
#include <string_view>

#include "mailroot/base/address.h"
#include "mailroot/base/result.h"
#include "mailroot/dns/resolver.h"
#include "mailroot/smtp/delivery_outcome.h"

namespace mailroot::deliver {

// A host to try: one address of one mail host.
struct Target {
  SocketAddress address;
  std::string host;  // its name; empty for a literal
  uint16_t preference = 0;
  uint32_t list = 0;       // the smart host, or 0: preferences compare within one list
  bool is_secure = false;  // DNSSEC vouches for name and addresses

  std::string to_string() const;  // "mx1.example.net [192.0.2.1]:25"
};

smtp::DeliveryOutcome make_outcome(smtp::Disposition disposition, smtp::Stage stage,
                                   std::string_view enhanced_code, std::string_view text);
// RFC 5321 5.1, 7505, 3463: what is permanent and what is not.
smtp::DeliveryOutcome resolve_outcome(const dns::ResolveFailure& failure);
smtp::DeliveryOutcome connect_outcome(const Target& target, const Error& error);
smtp::DeliveryOutcome loop_outcome(const Target& target);
smtp::DeliveryOutcome drop_outcome(const Error& error);

}  // namespace mailroot::deliver
