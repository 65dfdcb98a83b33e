// A scripted SMTP client: what programs and mail servers send us, kindly or not.
#pragma once

#include <string>
#include <vector>

#include "ledger.h"
#include "peer.h"
#include "scenario.h"

namespace mailroot::simtest {

class Client {
 public:
  Client(reactor::Reactor& reactor, reactor::CancelScope& scope, const Scenario& scenario,
         const ClientPlan& plan, uint32_t number, Ledger& ledger);
  reactor::task<void> run();

 private:
  reactor::task<void> session();
  reactor::task<void> converse(Peer& peer);
  reactor::task<bool> transaction(Peer& peer);  // false: the session is over
  reactor::task<bool> envelope_politely(Peer& peer, Submission& submission);
  reactor::task<bool> envelope_at_once(Peer& peer, Submission& submission);
  reactor::task<bool> data(Peer& peer, Submission& submission);
  reactor::task<bool> chunks(Peer& peer, Submission& submission);
  reactor::task<bool> say(Peer& peer, std::string text);
  void judge(const Peer& peer, int code, Submission& submission);
  void note_recipient(Submission& submission, const std::string& address, int code);
  Submission& draw_submission();
  std::string draw_content(uint64_t token);

  reactor::Reactor& reactor_;
  reactor::CancelScope& scope_;
  const Scenario& scenario_;
  const ClientPlan& plan_;
  uint32_t number_;
  Ledger& ledger_;
  Chance chance_;
  ClientStyle style_ = ClientStyle::polite;
  uint64_t steps_left_ = 0;  // a rude client's patience with itself
  uint64_t submissions_ = 0;
};

}  // namespace mailroot::simtest
