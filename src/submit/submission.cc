#include <sysexits.h>

#include <algorithm>

#include "mailroot/message/bare_addresses.h"
#include "mailroot/message/header_scan.h"
#include "mailroot/message/pickup.h"
#include "mailroot/message/queue_file.h"
#include "mailroot/message/trace.h"
#include "mailroot/smtp/content.h"
#include "mailroot/smtp/grammar.h"
#include "mailroot/submit/limits.h"
#include "mailroot/submit/request.h"

namespace mailroot::submit {

namespace {

std::unexpected<Failure> fail(int code, std::string text) {
  return std::unexpected(Failure{code, std::move(text)});
}

std::string with_line_ends(std::string_view content) {
  message::PickupContent lines(false);
  std::vector<ByteView> pieces;
  lines.add(as_bytes(content), pieces);
  lines.finish(pieces);
  std::string out;
  for (const ByteView piece : pieces) out += as_text(piece);
  return out;
}

struct Split {
  std::string header;                   // fields that stay, whole lines
  std::vector<std::string> recipients;  // bodies of To, Cc, Bcc
  std::string_view body;                // with the empty line
  bool has_from = false;
};

bool is_field(std::string_view line) {
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos || colon == 0) return false;
  return std::ranges::all_of(line.substr(0, colon), [](char c) { return c > ' ' && c < 0x7F; });
}

// The fields of the header section; a text that has none, or where it breaks off, is body, as
// mail that programs write by hand is.
Split split(std::string_view text) {
  Split out;
  size_t at = 0;
  while (at < text.size()) {
    size_t end = text.find('\n', at) + 1;
    const std::string_view line = text.substr(at, end - at);
    // mbox programs begin so.
    const bool is_envelope_line = at == 0 && line.starts_with("From ");
    if (!is_envelope_line && !is_field(line)) break;
    while (end < text.size() && (text[end] == ' ' || text[end] == '\t'))
      end = text.find('\n', end) + 1;
    const std::string_view field = text.substr(at, end - at);
    at = end;
    if (is_envelope_line) continue;
    const size_t colon = field.find(':');
    const std::string_view name = field.substr(0, colon);
    const auto is = [&](std::string_view other) { return smtp::equals_ignoring_case(name, other); };
    if (is("To") || is("Cc") || is("Bcc")) out.recipients.emplace_back(field.substr(colon + 1));
    if (is("From")) out.has_from = true;
    if (!is("Bcc") && !is("Resent-Bcc") && !is("Return-Path")) out.header += field;
  }
  out.body = text.substr(at);
  return out;
}

std::expected<smtp::Notify, Failure> read_notify(std::string_view text) {
  smtp::Notify notify;
  while (!text.empty()) {
    const size_t end = std::min(text.find(','), text.size());
    const std::string_view word = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (smtp::equals_ignoring_case(word, "never"))
      notify.never = true;
    else if (smtp::equals_ignoring_case(word, "success"))
      notify.success = true;
    else if (smtp::equals_ignoring_case(word, "failure"))
      notify.failure = true;
    else if (smtp::equals_ignoring_case(word, "delay"))
      notify.delay = true;
    else
      return fail(EX_USAGE, "-N takes never, or some of success, failure, delay");
  }
  if (notify.never && (notify.success || notify.failure || notify.delay))
    return fail(EX_USAGE, "-N never excludes the others");
  return notify;
}

std::expected<void, Failure> set_options(const Request& request, const Submitter& submitter,
                                         smtp::Envelope& envelope) {
  if (smtp::equals_ignoring_case(request.ret, "full"))
    envelope.ret = smtp::Return::full;
  else if (smtp::equals_ignoring_case(request.ret, "headers") ||
           smtp::equals_ignoring_case(request.ret, "hdrs"))
    envelope.ret = smtp::Return::headers;
  else if (!request.ret.empty())
    return fail(EX_USAGE, "-R takes full or hdrs");
  if (request.envelope_id.size() > 100 || !smtp::is_printable_ascii(request.envelope_id))
    return fail(EX_USAGE, "-V takes at most 100 printable characters");
  envelope.envelope_id = request.envelope_id;
  const std::string sender = request.sender.value_or(submitter.user);
  if (sender.empty() || sender == "<>") return {};
  std::vector<smtp::Mailbox> found;
  if (!message::parse_address_list(sender, submitter.mailname, false, found) || found.size() != 1)
    return fail(EX_USAGE, "the sender is no address");
  envelope.reverse_path = found.front();
  return {};
}

std::expected<void, Failure> set_recipients(const Request& request, const Split& parts,
                                            const Submitter& submitter, smtp::Envelope& envelope) {
  const auto notify = read_notify(request.notify);
  if (!notify) return std::unexpected(notify.error());
  std::vector<smtp::Mailbox> found;
  for (const std::string& text : request.recipients)
    if (!message::parse_address_list(text, submitter.mailname, false, found))
      return fail(EX_NOUSER, "a recipient is no address");
  if (request.header_recipients)
    for (const std::string& body : parts.recipients)
      if (!message::parse_address_list(body, submitter.mailname, false, found))
        return fail(EX_DATAERR, "To, Cc or Bcc has something that is no address");
  if (found.empty())
    return fail(request.header_recipients ? EX_DATAERR : EX_USAGE, "there is no recipient");
  if (found.size() > kRecipientsMax) return fail(EX_DATAERR, "there are too many recipients");
  envelope.smtputf8 = !smtp::is_ascii(smtp::to_string(envelope.reverse_path));
  for (smtp::Mailbox& mailbox : found) {
    const bool is_new = std::ranges::none_of(
        envelope.recipients, [&](const auto& other) { return other.address == mailbox; });
    if (!smtp::is_ascii(smtp::to_string(mailbox))) envelope.smtputf8 = true;
    if (is_new) envelope.recipients.push_back({std::move(mailbox), *notify, {}});
  }
  return {};
}

// As a display name: quoted, without what could end it.
std::string from_field(const Request& request, const Submitter& submitter,
                       const smtp::Envelope& envelope) {
  const smtp::Mailbox own{submitter.user, submitter.mailname};
  const smtp::Mailbox& author = envelope.reverse_path.is_null() ? own : envelope.reverse_path;
  std::string name;
  for (const char c : request.name)
    if (c != '"' && c != '\\' && static_cast<unsigned char>(c) >= 0x20 && c != 0x7F) name += c;
  return "From: " + (name.empty() ? "" : '"' + name + "\" ") + smtp::to_path(author) + "\r\n";
}

}  // namespace

std::expected<Submission, Failure> make_submission(const Request& request, std::string_view content,
                                                   const Submitter& submitter) {
  const std::string text = with_line_ends(content);
  const Split parts = split(text);
  Submission out;
  if (auto set = set_options(request, submitter, out.envelope); !set)
    return std::unexpected(std::move(set.error()));
  if (auto set = set_recipients(request, parts, submitter, out.envelope); !set)
    return std::unexpected(std::move(set.error()));
  const std::string header =
      message::with_domain(parts.header, message::bare_addresses(parts.header), submitter.mailname);
  message::HeaderScan scan;
  scan.add(as_bytes(header));
  out.content = "Received: by " + submitter.mailname + " (Mailroot sendmail, uid " +
                std::to_string(submitter.uid) + ", user " + submitter.user + ")\r\n\tid " +
                submitter.unique + "; " + message::date_time(submitter.now) + "\r\n";
  out.content +=
      message::missing_fields(scan.finish(), submitter.now, submitter.unique, submitter.mailname);
  if (!parts.has_from) out.content += from_field(request, submitter, out.envelope);
  out.content += header;
  if (!parts.body.starts_with("\r\n")) out.content += "\r\n";
  out.content += parts.body;
  smtp::ContentScan bytes;
  bytes.add(as_bytes(out.content));
  if (bytes.traits().eight_bit_header || bytes.traits().eight_bit_body)
    out.envelope.body = smtp::BodyType::eight_bit_mime;
  return out;
}

std::string pickup_file(const Submission& submission, WallTime now) {
  message::QueueFileHeader header;
  header.id = {.epoch = 1, .shard = 0, .counter = 1};  // the daemon gives it one of its own
  header.envelope = submission.envelope;
  header.status.assign(submission.envelope.recipients.size(), message::RecipientStatus::waiting);
  header.arrived_at = header.expiry_basis_at = header.next_attempt_at = now;
  header.content_size_bytes = submission.content.size();
  smtp::ContentScan scan;
  scan.add(as_bytes(submission.content));
  header.traits = scan.traits();
  return message::encode_queue_header(header, 0).bytes + submission.content;
}

}  // namespace mailroot::submit
