// What a program reads: message/delivery-status (RFC 3464 2.1), global in RFC 6533.
#include <algorithm>

#include "dsn_text.h"
#include "mailroot/message/trace.h"
#include "mailroot/smtp/grammar.h"

namespace mailroot::message::dsn {

namespace {

std::string_view action_of(DsnKind kind) {
  switch (kind) {
    case DsnKind::failed:
      return "failed";
    case DsnKind::delayed:
      return "delayed";
    case DsnKind::relayed:
      return "relayed";
    case DsnKind::delivered:
      return "delivered";
  }
  return "failed";
}

// "Name: value", folded so that no line is long.
void put_field(std::string& out, std::string_view name, std::string_view value) {
  std::string lines;
  put_wrapped(lines, value, "\t");
  out += name;
  out += ':';
  if (value.size() + name.size() < 76) {
    out += ' ';
    out += value;
    out += "\r\n";
  } else {
    // The first line of the value stands beside the name.
    lines[0] = ' ';
    out += lines;
  }
}

std::string typed_address(const smtp::Mailbox& mailbox, bool utf8) {
  const std::string text = smtp::to_string(mailbox);
  return (smtp::is_ascii(text) ? "rfc822; " : "utf-8; ") + clean(text, utf8, kDsnTextMax);
}

// ORCPT is "type;address" (RFC 3461 4.2).
std::string original_recipient(std::string_view orcpt, bool utf8) {
  const size_t split = orcpt.find(';');
  if (split == std::string_view::npos) return {};
  return clean(orcpt.substr(0, split), false, 40) + "; " +
         clean(orcpt.substr(split + 1), utf8, kDsnTextMax);
}

void put_recipient(std::string& out, const DsnRequest& request, const DsnRecipient& recipient,
                   bool utf8) {
  out += "\r\n";
  const std::string original = original_recipient(recipient.recipient->original_recipient, utf8);
  if (!original.empty()) put_field(out, "Original-Recipient", original);
  put_field(out, "Final-Recipient", typed_address(recipient.recipient->address, utf8));
  put_field(out, "Action", action_of(request.kind));
  put_field(out, "Status", status_of(recipient, request.kind));
  if (const smtp::DeliveryOutcome* outcome = recipient.outcome) {
    const std::string_view host = outcome->remote_host;
    const std::string name = clean(host.substr(0, host.find(' ')), utf8, 255);
    if (!name.empty()) put_field(out, "Remote-MTA", "dns; " + name);
    if (outcome->reply_code != 0)
      put_field(out, "Diagnostic-Code",
                "smtp; " + clean(smtp::summary(*outcome), utf8, kDsnTextMax));
    else if (!outcome->text.empty())
      put_field(out, "Diagnostic-Code", "X-Mailroot; " + clean(outcome->text, utf8, kDsnTextMax));
  }
  if (recipient.last_attempt_at)
    put_field(out, "Last-Attempt-Date", date_time(*recipient.last_attempt_at));
  if (request.kind == DsnKind::delayed && request.retry_until)
    put_field(out, "Will-Retry-Until", date_time(*request.retry_until));
}

}  // namespace

std::string status_of(const DsnRecipient& recipient, DsnKind kind) {
  const char wanted = kind == DsnKind::failed ? '5' : kind == DsnKind::delayed ? '4' : '2';
  if (recipient.expired) return "4.4.7";
  if (recipient.outcome != nullptr && recipient.outcome->enhanced_code.starts_with(wanted))
    return clean(recipient.outcome->enhanced_code, false, 9);
  return std::string(1, wanted) + ".0.0";
}

std::string status_part(const DsnRequest& request, bool utf8) {
  std::string out;
  put_field(out, "Reporting-MTA", "dns; " + clean(request.reporting_mta, utf8, 255));
  if (!request.original->envelope_id.empty())
    put_field(out, "Original-Envelope-Id", clean(request.original->envelope_id, utf8, kDsnTextMax));
  if (!request.received_from.empty())
    put_field(out, "Received-From-MTA", "dns; " + clean(request.received_from, utf8, 255));
  put_field(out, "Arrival-Date", date_time(request.arrived_at));
  size_t listed = 0;
  for (const DsnRecipient& recipient : request.recipients) {
    if (listed++ == kDsnRecipientsMax) break;
    put_recipient(out, request, recipient, utf8);
  }
  return out;
}

}  // namespace mailroot::message::dsn
