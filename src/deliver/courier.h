// The courier: owns one outbound connection to one destination, from grant to QUIT.
//
//   take a message -> hosts -> connect -> transaction(s) -> settle -> next message
//                       ^          | 4yz, no connection: next host      | none: keep the connection
//                       +----------+                                    v a moment, then QUIT
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "connection.h"
#include "engine.h"
#include "targets.h"
#include "work.h"

namespace mailroot::deliver {

// A courier's belongings, in its frame.
struct Courier {
  Courier(Engine& dispatcher, const queue::ConnectionGrant& grant);
  ~Courier();
  Courier(const Courier&) = delete;
  Courier& operator=(const Courier&) = delete;

  Engine& engine;
  queue::DestinationId destination;
  CourierHandle handle;
  uint64_t number;                 // unique in its dispatcher since the start, from 1
  reactor::TaskGroup settlements;  // of earlier messages, while the next one is sent
  std::unique_ptr<Connection> connection;
  Targets targets;         // of the next hop, found for this connection
  size_t next_target = 0;  // behind the connection's
  uint32_t messages = 0;
  bool is_second_choice = false;  // a better host works, but not for the newest message
};

reactor::task<void> drop_connection(Courier& courier);
// Connects to the next host of courier.targets. Nothing: done; else why not.
reactor::task<std::optional<smtp::DeliveryOutcome>> open_next(Courier& courier, const Work& work);

// One message: the hosts in turn until every recipient is settled or nobody is left to ask.
class Attempt {
 public:
  Attempt(Courier& courier, Work& work);
  reactor::task<void> run();

 private:
  reactor::task<bool> connect();   // false: nobody is left to ask
  reactor::task<bool> transact();  // false: the attempt is over
  reactor::task<bool> find_hosts();
  reactor::task<void> try_again_here();
  bool refuses_old_token();
  bool record(const std::vector<smtp::DeliveryOutcome>& outcomes);
  std::vector<uint32_t> open_recipients() const;
  bool has_other_host() const;
  void set_verdict(bool worked);
  void end();

  Courier& courier_;
  Work& work_;
  smtp::Envelope envelope_;  // as sent: masqueraded
  Payload payload_;
  bool knows_hosts_;
  uint32_t hosts_asked_ = 0;
  bool some_host_was_transient_ = false;
  bool domain_has_answered_ = false;  // attempt_direct_delivery_first: the smart host is not asked
  bool has_new_token_ = false;        // asked for after the host refused the old one
  bool is_uncertain_ = false;         // a peer may have taken it although its last reply was lost
};

}  // namespace mailroot::deliver
