#include "reports.h"

#include <algorithm>
#include <utility>

#include "mailroot/deliver/limits.h"
#include "mailroot/message/header_scan.h"
#include "mailroot/smtp/grammar.h"

namespace mailroot::deliver {
namespace {

using message::DsnKind;

// Where the header section ends.
reactor::task<result<uint64_t>> header_size(spool::Content& content) {
  message::HeaderScan header;
  bool in_header = true;
  content.rewind();
  while (in_header) {
    const auto window = co_await content.next();
    if (!window) co_return std::unexpected(window.error());
    if (window->empty()) break;
    for (const ByteView piece : *window) {
      if (in_header) in_header = header.add(piece);
    }
  }
  co_return header.finish().size_bytes;
}

reactor::task<result<void>> append(spool::Draft& draft, ByteView bytes) {
  if (!draft.append(bytes)) co_return std::unexpected(draft.failure().value_or(Error{}));
  if (!draft.wants_flush()) co_return result<void>();
  co_return co_await draft.flush();
}

reactor::task<result<void>> fill(spool::Draft& draft, const message::Dsn& dsn,
                                 spool::Content& content) {
  result<void> done = co_await append(draft, as_bytes(dsn.prefix));
  uint64_t left = dsn.original_bytes;
  content.rewind();
  while (done && left > 0) {
    const auto window = co_await content.next();
    if (!window) co_return std::unexpected(window.error());
    if (window->empty()) co_return fail(Errc::corrupt);
    for (const ByteView piece : *window) {
      const ByteView part = piece.first(std::min<uint64_t>(piece.size(), left));
      left -= part.size();
      if (done && !part.empty()) done = co_await append(draft, part);
    }
  }
  if (done) done = co_await append(draft, as_bytes(dsn.suffix));
  co_return done;
}

// "client.example.com" of "[192.0.2.7] client.example.com".
std::string_view client_name(std::string_view origin) {
  const size_t space = origin.find(' ');
  return space == std::string_view::npos ? std::string_view() : origin.substr(space + 1);
}

std::optional<smtp::Mailbox> copy_address(const config::VirtualServer& settings) {
  if (settings.ndr_copy_to.empty()) return std::nullopt;
  auto parsed = smtp::parse_mailbox(
      settings.ndr_copy_to,
      {.default_domain = settings.default_domain, .own_domain = settings.default_domain});
  if (!parsed) return std::nullopt;
  return std::move(*parsed);
}

bool reports_success(const Work& work, const smtp::DeliveryOutcome& outcome) {
  return outcome.disposition == smtp::Disposition::delivered && !outcome.peer_takes_dsn &&
         !work.into_drop;
}

std::vector<message::DsnRecipient> concerned(const Work& work, DsnKind kind) {
  std::vector<message::DsnRecipient> recipients;
  for (size_t i = 0; i < work.recipients.size(); ++i) {
    const auto& outcome = work.outcomes[i];
    if (!outcome) continue;
    const smtp::Recipient& recipient = work.message.envelope.recipients[work.recipients[i]];
    bool is_concerned = false;
    if (kind == DsnKind::failed) is_concerned = result_of(outcome) == queue::Result::bounced;
    if (kind == DsnKind::relayed) is_concerned = reports_success(work, *outcome);
    if (kind == DsnKind::delivered) {
      is_concerned = work.into_drop && result_of(outcome) == queue::Result::delivered;
    }
    if (!is_concerned || !message::is_wanted(kind, recipient.notify)) continue;
    recipients.push_back({.recipient = &recipient,
                          .outcome = &*outcome,
                          .expired = work.has_expired,
                          .last_attempt_at = std::nullopt});
  }
  return recipients;
}

}  // namespace

reactor::task<result<std::vector<Report>>> make_reports(
    Engine& engine, spool::LoadedMessage& message, DsnKind kind,
    std::vector<message::DsnRecipient> recipients, std::optional<WallTime> retry_until) {
  std::vector<Report> reports;
  if (recipients.empty() || message.envelope.reverse_path.is_null()) co_return reports;
  const std::shared_ptr<const config::VirtualServer> settings = engine.settings;
  const result<uint64_t> header_bytes = co_await header_size(*message.content);
  if (!header_bytes) co_return std::unexpected(header_bytes.error());
  const std::string original_id = to_string(message.id);
  std::vector<std::optional<smtp::Mailbox>> receivers{std::nullopt};
  if (kind == DsnKind::failed) {
    auto copy = copy_address(*settings);
    if (copy) receivers.push_back(std::move(copy));
  }
  for (const auto& receiver : receivers) {
    Report report;
    report.caused.draft = engine.around.spool.begin_draft();
    report.id = report.caused.draft->id();
    const std::string own_id = to_string(report.id);
    message::DsnRequest request;
    request.kind = kind;
    request.original = &message.envelope;
    request.recipients = recipients;
    request.reporting_mta = settings->fqdn;
    request.default_domain = settings->default_domain;
    request.original_queue_id = original_id;
    request.received_from = client_name(message.origin);
    request.arrived_at = message.times.arrived;
    request.now = engine.reactor().wall_now();
    request.retry_until = retry_until;
    request.own_queue_id = own_id;
    request.content_size_bytes = message.content->size_bytes();
    request.header_size_bytes = *header_bytes;
    request.traits = message.traits;
    const message::Dsn dsn = message::build_dsn(request);
    const result<void> filled = co_await fill(*report.caused.draft, dsn, *message.content);
    if (!filled) co_return std::unexpected(filled.error());
    report.envelope = dsn.envelope;
    if (receiver) {
      report.envelope.recipients.resize(1);
      report.envelope.recipients[0].address = *receiver;
    }
    report.size_bytes = dsn.size_bytes();
    report.caused.envelope = report.envelope;
    report.caused.times.arrived = request.now;
    reports.push_back(std::move(report));
  }
  co_return reports;
}

bool has_success_to_report(const Work& work) { return !concerned(work, DsnKind::relayed).empty(); }

reactor::task<result<std::vector<Report>>> reports_of(Engine& engine, Work& work) {
  std::vector<Report> all;
  for (const DsnKind kind : {DsnKind::failed, DsnKind::relayed, DsnKind::delivered}) {
    std::vector<message::DsnRecipient> recipients = concerned(work, kind);
    if (recipients.empty()) continue;
    auto made =
        co_await make_reports(engine, work.message, kind, std::move(recipients), std::nullopt);
    if (!made) co_return std::unexpected(made.error());
    std::ranges::move(*made, std::back_inserter(all));
  }
  co_return all;
}

std::optional<std::string> badmail_reason(const Work& work) {
  if (!work.message.envelope.reverse_path.is_null()) return std::nullopt;
  std::string reason;
  for (size_t i = 0; i < work.recipients.size(); ++i) {
    const auto& outcome = work.outcomes[i];
    if (result_of(outcome) != queue::Result::bounced) continue;
    reason += smtp::to_path(work.message.envelope.recipients[work.recipients[i]].address);
    reason += ": " + smtp::summary(*outcome);
    if (!outcome->remote_host.empty()) reason += " (" + outcome->remote_host + ")";
    reason += '\n';
  }
  if (reason.empty()) return std::nullopt;
  return "A report could not be delivered, and reports are not reported (RFC 5321 4.5.5).\n" +
         reason;
}

void admit_reports(Engine& engine, const QueueId& subject, const std::vector<Report>& reports) {
  for (const Report& report : reports) {
    engine.around.counters.dsns.fetch_add(1, std::memory_order_relaxed);
    spool::MessageTimes times;
    times.arrived = engine.reactor().wall_now();
    engine.admit(report.id, report.envelope, "", times, report.size_bytes);
    log::Event event = engine.event(log::Level::info, "report", subject);
    event.with("report", to_string(report.id));
    event.with("to", smtp::to_path(report.envelope.recipients.front().address));
    engine.around.log.write(std::move(event));
  }
}

}  // namespace mailroot::deliver
