// What a world's clients were promised, kept outside of the simulated machine: the judge of every
// crash test.
#pragma once

#include <doctest/doctest.h>

#include <map>
#include <set>
#include <string>
#include <vector>

#include "mailroot/base/queue_id.h"
#include "rig.h"

namespace mailroot::spool::test {

struct Promise {
  std::string content;
  bool promised = false;    // 250 was said
  bool refused = false;     // 451 was said
  bool done_asked = false;  // a final settlement was begun
  bool done_said = false;   // ... and returned durable
  bool removed = false;     // by the administrator, after it was durably placed
  uint32_t attempts_said = 0, attempts_asked = 0;
  std::vector<QueueId> dsns;  // caused by the final settlement
};

class Ledger {
 public:
  bool dead = false;  // the machine is off: nothing it says is heard
  std::map<QueueId, Promise> messages;

  // Compares with what a start found: the messages scan() reported and their contents.
  void judge(const std::map<QueueId, LoadedMessage>& found,
             const std::map<QueueId, std::string>& contents) const {
    for (const auto& [id, promise] : messages) {
      CAPTURE(to_string(id));
      const bool is_there = found.count(id) == 1;
      if (promise.promised && !promise.done_asked) CHECK_MESSAGE(is_there, "promised mail is lost");
      if (promise.done_said) CHECK_MESSAGE(!is_there, "settled mail came back");
      if (promise.refused) CHECK_MESSAGE(!is_there, "refused mail is there");
      if (promise.done_asked && promise.promised && !is_there) {
        for (const QueueId& dsn : promise.dsns) {
          CHECK_MESSAGE((found.count(dsn) == 1 || messages.at(dsn).done_asked), "a DSN is lost");
        }
      }
      if (!is_there) continue;
      const auto content = contents.find(id);
      CHECK_MESSAGE((content != contents.end() && content->second == promise.content),
                    "mail is altered");
      const uint32_t attempts = found.at(id).times.attempts;
      CHECK_MESSAGE(attempts >= promise.attempts_said, "a recorded attempt is forgotten");
      CHECK_MESSAGE(attempts <= promise.attempts_asked, "an attempt is invented");
    }
    for (const auto& item : found)
      CHECK_MESSAGE(messages.count(item.first) == 1, "mail is invented");
  }

  // After a start nobody waits any more: what is there is mail like any other, what is not is over.
  void settle_unknown(const std::map<QueueId, LoadedMessage>& found) {
    for (auto entry = messages.begin(); entry != messages.end();) {
      const auto there = found.find(entry->first);
      if (there == found.end()) {
        entry = messages.erase(entry);
        continue;
      }
      Promise& promise = entry->second;
      promise.promised = true;
      promise.done_asked = promise.done_said = promise.refused = false;
      promise.dsns.clear();
      promise.attempts_said = promise.attempts_asked = there->second.times.attempts;
      ++entry;
    }
  }
};

}  // namespace mailroot::spool::test
