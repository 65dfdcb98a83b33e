// A client session with a scripted server: what it sent so far, and shorthands for replies.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mailroot/smtp/client_session.h"

namespace mailroot::smtp {

inline const std::string kPipelining = "250-mx.example.org\r\n250 PIPELINING\r\n";

inline ClientRules plain_rules() {
  ClientRules rules;
  rules.hello_name = "relay.example.com";
  return rules;
}

inline Envelope envelope_for(std::vector<std::string> local_parts) {
  Envelope envelope;
  envelope.reverse_path = {.local_part = "ann", .domain = "example.com"};
  for (std::string& local_part : local_parts)
    envelope.recipients.push_back(
        {.address = {.local_part = std::move(local_part), .domain = "example.org"},
         .notify = {},
         .original_recipient = {}});
  return envelope;
}

struct Fixture {
  explicit Fixture(std::vector<std::string> local_parts = {"bob"},
                   ClientRules rules = plain_rules())
      : envelope(envelope_for(std::move(local_parts))),
        session(std::move(rules), "mx [192.0.2.1]") {
    session.start(actions);
  }

  // Up to ready, with this reply to EHLO.
  void connect(const std::string& ehlo_reply = kPipelining) {
    say("220 mx.example.org ESMTP\r\n");
    say(ehlo_reply);
    sent.clear();
  }
  void begin() {
    Transaction transaction;
    transaction.envelope = &envelope;
    for (uint32_t i = 0; i < envelope.recipients.size(); ++i) transaction.recipients.push_back(i);
    transaction.size_bytes = size_bytes;
    transaction.content = traits;
    session.begin(transaction, actions);
    collect();
  }
  void say(std::string_view bytes) {
    session.feed(as_bytes(bytes), actions);
    collect();
  }
  void content_sent() {
    content = ContentForm::none;
    session.content_sent(actions);
    collect();
  }
  void time_out() {
    session.time_out(actions);
    collect();
  }
  void peer_closed() {
    session.peer_closed("connection closed", actions);
    collect();
  }
  void quit() {
    session.quit(actions);
    collect();
  }
  // What the driver would have seen and cleared.
  void collect() {
    sent += actions.send;
    if (actions.content != ContentForm::none) content = actions.content;
    outcomes.insert(outcomes.end(), actions.outcomes.begin(), actions.outcomes.end());
    ready = actions.ready;
    start_tls = actions.start_tls;
    timer = actions.timer;
    if (actions.close) {
      closed = true;
      close_reason = actions.close_reason;
      close_detail = actions.close_detail;
    }
    actions.clear();
  }
  std::string take_sent() { return std::exchange(sent, {}); }
  // "D" delivered, "T" deferred (try again), "F" failed, "N" not tried; one letter a recipient.
  std::string letters() const {
    std::string result;
    for (const DeliveryOutcome& outcome : outcomes)
      result += std::string_view("DTFN")[static_cast<size_t>(outcome.disposition)];
    return result;
  }

  Envelope envelope;
  uint64_t size_bytes = 100;
  ContentTraits traits;
  ClientActions actions;
  ClientSession session;
  std::string sent;
  std::vector<DeliveryOutcome> outcomes;
  ContentForm content = ContentForm::none;
  ClientTimer timer = ClientTimer::greeting;
  CloseReason close_reason = CloseReason::none;
  std::string close_detail;
  bool ready = false, start_tls = false, closed = false;
};

}  // namespace mailroot::smtp
