// Where records come from: the seam below the mail-host logic. libunbound, or a fixed table.
#pragma once

#include <expected>
#include <memory>
#include <string>
#include <vector>

#include "mailroot/dns/resolver.h"
#include "packet.h"

namespace mailroot::dns {

struct Answer {
  std::vector<Record> records;  // the whole chain: CNAMEs and what they lead to
  Security security = Security::insecure;
  uint32_t ttl_seconds = 0;  // smallest of the chain, or the negative TTL
};

class RecordSource {
 public:
  virtual ~RecordSource() = default;
  // A name that exists without such records is an Answer without records; NXDOMAIN, SERVFAIL,
  // bogus, time-out and cancellation are failures.
  virtual reactor::task<std::expected<Answer, Failure>> query(std::string name, RecordType type,
                                                              reactor::Wait wait) = 0;
};

// Fixed answers, then `fallback` (may be null: an unknown name is NXDOMAIN).
std::unique_ptr<RecordSource> make_fixed_source(std::vector<FixedAnswer> answers,
                                                std::unique_ptr<RecordSource> fallback);
result<std::unique_ptr<RecordSource>> make_unbound_source(reactor::Reactor& reactor,
                                                          const ResolverOptions& options);
// The mail-host logic and its bounded cache over a source.
std::unique_ptr<Resolver> make_resolver(reactor::Reactor& reactor,
                                        std::unique_ptr<RecordSource> source);

}  // namespace mailroot::dns
