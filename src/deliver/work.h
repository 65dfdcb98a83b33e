// One attempt at the recipients that one message has at one destination.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine.h"
#include "mailroot/message/header_scan.h"
#include "mailroot/smtp/content.h"
#include "outcomes.h"

namespace mailroot::deliver {

struct Work {
  queue::Assignment assignment;
  spool::LoadedMessage message;
  std::shared_ptr<const config::VirtualServer> settings;
  std::shared_ptr<const route::Router> router;
  smtp::ContentTraits traits;   // found by the attempt
  message::HeaderFacts header;  // of 8-bit content only
  // By position in recipients; nothing yet = not tried. `recipients` are all those of the attempt,
  // also when parts of it have been settled on the way.
  std::vector<uint32_t> recipients;
  std::vector<std::optional<smtp::DeliveryOutcome>> outcomes;
  queue::Verdict verdict = queue::Verdict::unknown;
  std::string trouble;  // of the destination, with Verdict::failed
  Instant began{};
  bool into_drop = false;
  bool has_expired = false;

  std::optional<smtp::DeliveryOutcome>& outcome_of(uint32_t recipient);
  void set_all_open(const smtp::DeliveryOutcome& outcome);  // all that are neither 2yz nor 5yz
};

// What the queue is told of an outcome.
queue::Result result_of(const std::optional<smtp::DeliveryOutcome>& outcome);

enum class TakeResult : uint8_t { ready, no_mail, skipped };

// The next message of a destination, loaded; skipped: it was gone, damaged or belongs elsewhere.
reactor::task<TakeResult> take_work(Engine& engine, queue::DestinationId destination, Work& work);

// Stores the outcomes with the DSNs they cause, then tells the queue and the log (settlement.cc).
// Does not return before it is durable, unless delivery is being stopped: then the message stays
// as it was stored last. The assignment is over.
reactor::task<void> settle_work(Engine& engine, Work work);

// Returns when it is the caller's turn to settle this message; to be given back.
reactor::task<void> take_turn(Engine& engine, QueueId id);

// Fills in traits and header.
reactor::task<void> look_at_content(Work& work);

// Stores what is delivered already of a long recipient list.
reactor::task<void> settle_delivered_part(Engine& engine, Work& work);

}  // namespace mailroot::deliver
