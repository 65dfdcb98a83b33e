// Badmail within its bounds: messages.badmail.keep and size_limit. A message goes with its reason,
// the oldest first by the time at which they came there (ctime: a file keeps its date when it is
// moved). Private to spool/.
#pragma once

#include <optional>
#include <queue>
#include <vector>

#include "mailroot/spool/keeper.h"

namespace mailroot::spool {

inline constexpr std::string_view kReasonSuffix = ".reason";

class Keeper::Badmail {
 public:
  Badmail(reactor::Reactor& reactor, const Home& home, std::function<KeeperRules()> rules,
          std::string server, log::Sink& log);
  // Looks and removes if it is time to.
  reactor::task<void> work(reactor::CancelScope& scope);

 private:
  struct Candidate {
    WallTime since{};
    reactor::Descriptor directory = reactor::kNoDescriptor;
    std::string name;
    uint64_t size_bytes = 0;
    friend bool operator<(const Candidate& a, const Candidate& b) {
      return std::tie(a.since, a.name) < std::tie(b.since, b.name);
    }
  };
  // What one look found.
  struct Found {
    uint64_t files = 0, bytes = 0;
    std::priority_queue<Candidate> oldest;  // its top is the newest of them
    std::optional<Candidate> newest;
  };

  bool is_due(const KeeperRules& rules) const;
  reactor::task<std::optional<Found>> look(reactor::CancelScope& scope);
  reactor::task<void> remove_beyond(Found found, KeeperRules rules, reactor::CancelScope& scope);
  reactor::task<uint64_t> remove(Candidate file);
  reactor::task<void> clean_temporary(reactor::Descriptor directory);
  void tell(const Candidate& file, uint64_t bytes, bool too_old);

  reactor::Reactor& reactor_;
  const Home& home_;
  const std::function<KeeperRules()> rules_;
  const std::string server_;
  log::Sink& log_;

  bool has_looked_ = false;
  uint64_t bytes_ = 0;         // as of the last look
  uint64_t added_before_ = 0;  // HomeUsage's count at that time
  Duration keep_{};            // ... and the rule
  Instant next_{};
  Instant not_before_{};
};

}  // namespace mailroot::spool
