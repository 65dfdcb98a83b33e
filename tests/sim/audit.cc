// What the books must show at the end.
#include <fmt/format.h>

#include <algorithm>

#include "ledger.h"
#include "mailroot/message/queue_file.h"

namespace mailroot::simtest {

// A message that could not be returned, or a report that could not be delivered.
void Ledger::in_badmail(std::string_view name, std::string_view file) {
  const auto parsed = message::parse_queue_header(as_bytes(file));
  if (!parsed) {
    violation(fmt::format("1: Badmail file {} cannot be read", name));
    return;
  }
  const auto& header = parsed->header;
  for (size_t i = 0; i < header.envelope.recipients.size(); ++i) {
    const std::string address = smtp::to_string(header.envelope.recipients[i].address);
    if (header.status[i] == message::RecipientStatus::delivered) continue;
    if (RecipientBook* book = recipient(address)) book->in_badmail = true;
    const Submission* told = of_sender(address);
    if (told == nullptr) continue;
    for (const auto& [reported, ignored] : told->recipients) {
      if (file.contains("Final-Recipient: rfc822; " + reported)) {
        recipient(reported)->in_badmail = true;
      }
    }
  }
}

bool Ledger::ended_between(Instant from, Instant to) const {
  return std::ranges::any_of(ends_, [=](Instant end) { return from <= end && end <= to; });
}

// Oracle 3. A second delivery is right only if the sender could not know of the first, or died
// before it had made a note of it.
void Ledger::check_repetitions(std::string_view address, const RecipientBook& book) {
  for (auto second = book.deliveries.begin(); second != book.deliveries.end(); ++second) {
    if (second == book.deliveries.begin()) continue;
    const Delivery& first = *std::prev(second);
    if (!first.is_certain) continue;
    Instant noted = second->at;
    for (const Instant logged : book.logged) {
      if (logged >= first.at) noted = std::min(noted, logged);
    }
    // Or what came second had been sent before: by a program that died, over a slow network.
    const bool was_sent_before = ended_between(second->began, std::min(second->at, first.began));
    if (!ended_between(first.at, noted) && !was_sent_before) {
      violation(fmt::format("3: {} got its mail twice, and nobody died in between", address));
    }
  }
}

// A report of failure needs a failure: a permanent reply, or expiry.
void Ledger::check_report(std::string_view address, const Submission& submission,
                          const RecipientBook& book) {
  for (const Delivery& report : book.failure_reports) {
    const Instant expires = submission.began_at + expiration_[submission.server];
    const bool is_due = submission.promise != Promise::given || report.at >= expires;
    const std::string_view domain = address.substr(address.find('@') + 1);
    const bool was_refused = book.refused_permanently || smart_host_refuses_ ||
                             refusing_domains_.contains(domain) || domain == "nowhere.example";
    if (!is_due && !was_refused) {
      violation(fmt::format("2: {} was reported as failed without a reason", address));
    }
    const bool was_known =
        std::ranges::any_of(book.logged, [&report](Instant logged) { return logged < report.at; });
    if (was_known) violation(fmt::format("2: {} was delivered and reported as failed", address));
  }
  if (book.failure_reports.size() < 2) return;
  const bool all_certain = std::ranges::all_of(
      book.failure_reports, [](const Delivery& report) { return report.is_certain; });
  if (all_certain && !ended_between(Instant{}, book.failure_reports.back().at)) {
    violation(fmt::format("3: the failure of {} was reported twice", address));
  }
}

void Ledger::audit(const std::set<std::string>& left) {
  for (const auto& submission : submissions_) {
    const bool is_left = left.contains(submission->queue_id);
    const bool any_settled = std::ranges::any_of(
        submission->recipients, [](const auto& entry) { return entry.second.is_settled(); });
    const bool is_promised = submission->promise == Promise::given ||
                             (submission->promise == Promise::unknown && any_settled);
    for (const auto& [address, book] : submission->recipients) {
      if (is_promised && book.accepted && !book.is_settled() && !is_left) {
        violation(fmt::format("1: {} is lost ({})", address, submission->queue_id));
      }
      const bool may_be_taken =
          submission->promise == Promise::given || submission->promise == Promise::unknown;
      if (book.is_settled() && !(may_be_taken && book.accepted)) {
        violation(fmt::format("2: {} got mail that was {}", address,
                              book.accepted ? "not accepted" : "refused at RCPT"));
      }
      check_repetitions(address, book);
      check_report(address, *submission, book);
    }
  }
}

}  // namespace mailroot::simtest
