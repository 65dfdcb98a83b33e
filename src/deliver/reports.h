// DSNs: which recipients the sender has to be told of, and the drafts that tell (RFC 3461, 3464).
#pragma once

#include <optional>
#include <vector>

#include "mailroot/message/dsn.h"
#include "work.h"

namespace mailroot::deliver {

// A report on its way into the spool: the draft goes with the settlement, the rest is for the
// queue.
struct Report {
  spool::Spool::Caused caused;
  QueueId id;
  smtp::Envelope envelope;
  uint64_t size_bytes = 0;
};

// The reports due for `recipients` (positions do not matter) of a message, with copies to
// messages.ndr_copy_to. Nothing at all for the null reverse-path. Fails when a draft cannot be
// made now.
reactor::task<result<std::vector<Report>>> make_reports(
    Engine& engine, spool::LoadedMessage& message, message::DsnKind kind,
    std::vector<message::DsnRecipient> recipients, std::optional<WallTime> retry_until);

// Stores that the sender has been told of a delay (settlement.cc). False: not durable.
reactor::task<bool> settle_delay(Engine& engine, const queue::Notice& notice,
                                 spool::LoadedMessage& message, std::vector<Report> reports);

// All reports that the outcomes of this work cause.
// A recipient was delivered whose NOTIFY asks for a report of ours.
bool has_success_to_report(const Work& work);
reactor::task<result<std::vector<Report>>> reports_of(Engine& engine, Work& work);

// Has anyone to be told, and nobody can be? Then the message goes to Badmail; the reason.
std::optional<std::string> badmail_reason(const Work& work);

// The reports on `subject` are messages of their own now.
void admit_reports(Engine& engine, const QueueId& subject, const std::vector<Report>& reports);

}  // namespace mailroot::deliver
