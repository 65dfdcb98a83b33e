// Replay of journals that a script builds: groups written, torn, rotten, refused, segments taken up
// again. A simple model says what must come out.
#include <algorithm>
#include <deque>
#include <set>
#include <vector>

#include "../unit/spool/groups.h"
#include "fuzz.h"
#include "replay.h"

using namespace mailroot;
using namespace mailroot::spool;
using mailroot::fuzz::check;
using mailroot::spool::test::id_of;
using mailroot::spool::test::SegmentBuilder;

namespace {

struct Group {
  uint64_t sequence = 0;
  uint64_t durable_through = 0;
  size_t start = 0;
  bool intact = true;
  bool done = false;  // else an Accept
  uint64_t counter = 0;
};

class Script {
 public:
  Script(const uint8_t* data, size_t size) : data_(data), size_(size) {}

  void run() {
    segments_.emplace_back(1, 100, 512);
    while (at_ < size_ && sequence_ < 60) step(next() % 8);
    judge();
  }

 private:
  uint8_t next() { return at_ < size_ ? data_[at_++] : 0; }

  void step(uint8_t what) {
    SegmentBuilder& segment = segments_.back();
    if (what < 3) {
      const size_t size = next() * 37UL;
      write(segment, false, ++counter_, std::string(size, 'm'));
    } else if (what == 3 && counter_ > 0) {
      write(segment, true, 1 + next() % counter_, {});
    } else if (what == 4) {
      const bool all_whole = std::all_of(groups_.begin(), groups_.end(), [this](const Group& g) {
        return g.intact || g.sequence <= acknowledged_;
      });
      if (all_whole) acknowledged_ = sequence_;
    } else if (what == 5 && segments_.size() < 4) {
      segments_.emplace_back(static_cast<uint32_t>(segments_.size() + 1), 100 + segments_.size(),
                             512);
      owners_.clear();
    } else if (what == 6 && !groups_.empty()) {
      damage_last();
    } else if (what == 7) {
      refuse();
    }
  }

  void write(SegmentBuilder& segment, bool done, uint64_t counter, const std::string& content) {
    Group group;
    group.sequence = ++sequence_;
    group.durable_through = acknowledged_;
    group.done = done;
    group.counter = counter;
    group.start = done ? segment.done(sequence_, acknowledged_, counter)
                       : segment.accept(sequence_, acknowledged_, counter, content);
    groups_.push_back(group);
    owners_.push_back(groups_.size() - 1);
  }

  // Only what was not acknowledged is torn; rot of durable groups is a matter of unit tests.
  void damage_last() {
    Group& group = groups_.back();
    if (group.sequence <= acknowledged_ || owners_.empty()) return;
    segments_.back().zero(group.start + 16 * (next() % 4), 16);
    group.intact = false;
  }

  // All that is not acknowledged was refused: a Void in a fresh segment.
  void refuse() {
    if (acknowledged_ == sequence_ || segments_.size() >= 4) return;
    segments_.emplace_back(static_cast<uint32_t>(segments_.size() + 1), 100 + segments_.size(),
                           512);
    owners_.clear();
    const uint64_t first = acknowledged_ + 1;
    const uint64_t last = sequence_;
    segments_.back().voided(++sequence_, acknowledged_, first, last);
    for (uint64_t sequence = first; sequence <= last; ++sequence) refused_.insert(sequence);
    acknowledged_ = sequence_;
  }

  void judge() const {
    std::vector<SegmentScan> scans;
    for (const SegmentBuilder& segment : segments_) scans.push_back(scan_segment(segment.view()));
    const Replay result = replay(scans);
    check(result.damage.empty(), "nothing durable was damaged");
    std::set<uint64_t> accepted, done, maybe_done;
    for (const Group& group : groups_) {
      if (refused_.contains(group.sequence)) continue;
      const bool durable = group.sequence <= acknowledged_;
      if (group.done && durable) done.insert(group.counter);
      if (group.done && group.intact) maybe_done.insert(group.counter);
      if (!group.done && durable) accepted.insert(group.counter);
    }
    for (const Group& group : groups_) {
      const auto found = result.messages.find(id_of(group.counter));
      const bool is_there =
          found != result.messages.end() && found->second.head && !found->second.done;
      if (accepted.contains(group.counter) && !maybe_done.contains(group.counter)) {
        check(is_there, "acknowledged mail is there");
      }
      if (done.contains(group.counter)) check(!is_there, "settled mail is not");
      if (!group.done && (refused_.contains(group.sequence) || !group.intact)) {
        check(!is_there, "refused or torn mail is not");
      }
    }
  }

  const uint8_t* data_;
  size_t size_;
  size_t at_ = 0;
  std::deque<SegmentBuilder> segments_;
  std::vector<Group> groups_;
  std::vector<size_t> owners_;  // of the last segment
  std::set<uint64_t> refused_;
  uint64_t sequence_ = 0, acknowledged_ = 0, counter_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size > 400) return 0;
  Script(data, size).run();
  return 0;
}
