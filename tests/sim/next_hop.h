// A scripted next hop: the mail hosts of one domain, or the smart host. While faults last it
// misbehaves as its plan says; in the calm it takes everything.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "ledger.h"
#include "peer.h"
#include "scenario.h"

namespace mailroot::simtest {

enum class Misdeed : uint8_t {
  none,
  transient,     // 4yz at a verb
  permanent,     // 5yz at a verb
  leaves,        // 421 at a verb, then closes
  cuts,          // closes at a verb without a word
  silent,        // says nothing more from a verb on
  dies_in_data,  // closes amid the content
  takes_mutely,  // takes the message, and closes before the 250
};

enum class Verb : uint8_t { greeting, hello, mail, rcpt, data, end_of_data };

class NextHop {
 public:
  NextHop(reactor::Reactor& reactor, reactor::CancelScope& scope, const Scenario& scenario,
          const HopPlan& plan, uint32_t number, Ledger& ledger);
  // Listens on every address until the scope ends.
  reactor::task<void> run();
  void calm_down() { is_calm_ = true; }
  // Those that would notice at once if the sender left.
  size_t listening_connections() const { return listening_; }
  const HopPlan& plan() const { return plan_; }

 private:
  struct Session;
  reactor::task<void> listen(IpAddress address);
  reactor::task<void> serve(reactor::Descriptor socket);
  reactor::task<void> converse(Session& session);
  reactor::task<bool> obey(Session& session, std::string line);
  reactor::task<bool> answer(Session& session, Verb verb, std::string reply);
  reactor::task<bool> take_recipient(Session& session, std::string line);
  reactor::task<bool> take_data(Session& session);
  reactor::task<bool> take_chunk(Session& session, std::string line);
  reactor::task<bool> take_message(Session& session);
  bool is_refused(const Session& session, Verb verb) const;
  void blame(const Session& session);
  std::string hello_reply() const;

  reactor::Reactor& reactor_;
  reactor::CancelScope& scope_;
  const Scenario& scenario_;
  const HopPlan& plan_;
  Ledger& ledger_;
  Chance chance_;
  bool is_calm_ = false;
  size_t listening_ = 0;
  std::set<std::string> known_;  // recipients that were greylisted once
  reactor::TaskGroup listeners_;
  reactor::TaskGroup connections_;
};

}  // namespace mailroot::simtest
