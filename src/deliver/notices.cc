// Delay notification and expiry: what the queue says is due.
#include <charconv>
#include <utility>

#include "mailroot/smtp/reply_parser.h"
#include "reports.h"
#include "work.h"

namespace mailroot::deliver {
namespace {

// What the newest attempt said, as the spool keeps it: "450 4.2.0 text", "4.4.1 text".
smtp::DeliveryOutcome last_outcome(const spool::LoadedMessage& message,
                                   const queue::Notice& notice) {
  std::string_view text = message.last_reply;
  if (text.empty()) text = notice.last_error;
  if (text.empty()) text = "the destination could not be reached";
  smtp::DeliveryOutcome outcome =
      make_outcome(smtp::Disposition::deferred, smtp::Stage::connect, "4.4.1", "");
  uint16_t code = 0;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, code);
  const bool has_code =
      error == std::errc() && code >= 400 && code < 600 && rest != end && *rest == ' ';
  if (has_code) {
    outcome.reply_code = code;
    text.remove_prefix(static_cast<size_t>(rest - text.data()) + 1);
  }
  const std::string_view enhanced = smtp::take_enhanced_code(has_code ? code : 400, text);
  if (!enhanced.empty()) outcome.enhanced_code = enhanced;
  outcome.text = text.substr(0, smtp::kOutcomeTextMax);
  return outcome;
}

reactor::task<void> report_expiry(Engine& engine, const queue::Notice& notice,
                                  spool::LoadedMessage message) {
  Work work;
  smtp::DeliveryOutcome outcome = last_outcome(message, notice);
  work.assignment = notice.assignment;
  work.message = std::move(message);
  work.settings = engine.settings;
  work.router = engine.router;
  work.began = engine.reactor().now();
  work.recipients = notice.assignment.recipients;
  work.has_expired = true;
  outcome.disposition = smtp::Disposition::failed;
  outcome.scope = smtp::OutcomeScope::message;
  for (const uint32_t recipient : work.recipients) {
    outcome.recipient = recipient;
    work.outcomes.emplace_back(outcome);
  }
  co_await settle_work(engine, std::move(work));
}

reactor::task<void> report_delay(Engine& engine, const queue::Notice& notice,
                                 spool::LoadedMessage message) {
  const smtp::DeliveryOutcome outcome = last_outcome(message, notice);
  std::vector<message::DsnRecipient> recipients;
  for (const uint32_t index : notice.assignment.recipients) {
    const smtp::Recipient& recipient = message.envelope.recipients[index];
    if (!message::is_wanted(message::DsnKind::delayed, recipient.notify)) continue;
    recipients.push_back({.recipient = &recipient,
                          .outcome = &outcome,
                          .expired = false,
                          .last_attempt_at = std::nullopt});
  }
  if (recipients.empty() || message.envelope.reverse_path.is_null()) {
    engine.queue.delay_notified(notice);
    co_return;
  }
  const WallTime until = engine.reactor().wall_now() + (notice.expires - engine.reactor().now());
  auto reports = co_await make_reports(engine, message, message::DsnKind::delayed,
                                       std::move(recipients), until);
  bool is_stored = reports.has_value();
  if (is_stored) is_stored = co_await settle_delay(engine, notice, message, std::move(*reports));
  if (!is_stored) {
    engine.queue.delay_failed(notice);
    co_return;
  }
  engine.queue.delay_notified(notice);
  log::Event event = engine.event(log::Level::info, "delay_reported", notice.assignment.id);
  event.with("to", smtp::to_path(message.envelope.reverse_path));
  engine.around.log.write(std::move(event));
}

}  // namespace

reactor::task<void> Engine::take_notice(queue::Notice notice) {
  auto message = co_await around.spool.load(notice.assignment.id);
  if (message) {
    if (notice.kind == queue::NoticeKind::expired) {
      co_await report_expiry(*this, notice, std::move(*message));
    } else {
      co_await report_delay(*this, notice, std::move(*message));
    }
  } else if (notice.kind == queue::NoticeKind::delayed) {
    queue.delay_failed(notice);
  } else if (message.error().code == Errc::not_found || message.error().code == Errc::corrupt) {
    queue.forget(notice.assignment);
  } else {
    std::vector<queue::RecipientResult> results;
    for (const uint32_t recipient : notice.assignment.recipients) {
      results.push_back({recipient, queue::Result::deferred});
    }
    queue.settle(notice.assignment, results, queue::Verdict::unknown, "", moment());
  }
  --notices_running;
  pump();
}

}  // namespace mailroot::deliver
