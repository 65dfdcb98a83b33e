// PickupCandidates: what lies in Pickup, and which of it may be taken in which order. Pure: told of
// events and looks, asked for the next file. Private to receive/.
//
//   heard of, seen -> pending --complete--> ready --take()--> (nothing is known any more)
//                        ^---- changes ------'
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "mailroot/base/time.h"
#include "mailroot/reactor/operation.h"

namespace mailroot::receive {

enum class PickupPlace : uint8_t { current, fresh, top };  // Pickup/cur, Pickup/new, Pickup

// What is known of whoever writes a file.
enum class PickupWriter : uint8_t {
  unknown,  // it was there when we first looked
  open,     // it was made here and has not been closed
  done,     // closed, or renamed in
};

struct PickupKey {
  PickupPlace place = PickupPlace::top;
  std::string entry;  // the name in that directory
  friend auto operator<=>(const PickupKey&, const PickupKey&) = default;
};

struct PickupFound {
  PickupKey key;
  std::string name;  // as its writer called it
  reactor::FileStatus status;
  Instant unchanged_since{};
};

class PickupCandidates {
 public:
  // An event; the name is to be looked at.
  void heard(reactor::NameEventKind kind, PickupKey key);
  // Events were lost: of no file is it known any more that somebody has it open.
  void forget_writers();

  // What a look at one name found; nothing: it is gone.
  void looked(PickupKey key, const std::optional<reactor::FileStatus>& status, Instant now,
              WallTime wall);
  // Around the looks at everything: what was not seen between is gone.
  void begin_scan();
  void end_scan();

  // A file that was taken and has to wait: pending, and ready no earlier than `when`.
  void put_back(PickupFound found, Instant when);

  // Names to be looked at now, at most `most` of them.
  std::vector<PickupKey> to_look(Instant now, size_t most) const;
  // When to_look() has something; kNever.
  Instant next_look() const;

  bool has_ready() const { return !ready_.empty(); }
  PickupFound take();  // the oldest of those that are ready, equal times by name
  size_t size() const { return known_.size(); }
  // There was no room for some since begin_scan(): look again when these are taken.
  bool was_full() const { return was_full_; }

 private:
  struct State {
    std::optional<reactor::FileStatus> status;
    Instant unchanged_since{};
    Instant not_before{};
    Instant look_at = kNever;  // while pending
    PickupWriter writer = PickupWriter::unknown;
    bool ready = false;
    uint64_t scan = 0;  // that saw it last
  };
  struct Rank {
    WallTime modified{};
    std::string name;
    PickupKey key;
    friend auto operator<=>(const Rank&, const Rank&) = default;
  };
  using Known = std::map<PickupKey, State>;

  State* find_or_add(const PickupKey& key);
  void judge(const PickupKey& key, State& state, Instant now, WallTime wall);
  void set_ready(const PickupKey& key, State& state, bool ready);
  void set_look(const PickupKey& key, State& state, Instant when);
  void forget(Known::iterator at);

  Known known_;
  std::set<Rank> ready_;
  std::set<std::pair<Instant, PickupKey>> looks_;
  uint64_t scan_ = 0;
  bool was_full_ = false;
};

// "<queue id>-<name>": a file in Pickup/cur is named after the message it becomes, so that after a
// crash it can be told whether it has become it. Long names are cut.
std::string claim_name(const std::string& id, const std::string& name);
struct PickupClaim {
  std::optional<std::string> id;  // none: somebody else put it there
  std::string name;
};
PickupClaim parse_claim(const std::string& entry);

}  // namespace mailroot::receive
