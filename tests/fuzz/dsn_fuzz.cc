// A report about anything a peer or a sender can have said: no line of theirs becomes one of ours.
#include "mailroot/message/dsn.h"

#include "fuzz.h"
#include "mailroot/smtp/content.h"
#include "mailroot/smtp/grammar.h"

using namespace mailroot;
using namespace mailroot::message;
using mailroot::fuzz::check;

namespace {

// Up to the next NUL.
std::string take(std::string_view& text) {
  const size_t end = std::min(text.find('\0'), text.size());
  std::string taken(text.substr(0, end));
  text.remove_prefix(std::min(end + 1, text.size()));
  return taken;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Steering steering(fuzz::as_text(data, size));
  const uint8_t choice = steering.octet();
  std::string_view text = steering.rest();
  smtp::Envelope envelope;
  envelope.reverse_path = {.local_part = "ann", .domain = "example.com"};
  envelope.smtputf8 = (choice & 1) != 0;
  envelope.envelope_id = take(text);
  smtp::DeliveryOutcome outcome;
  outcome.reply_code = (choice & 2) != 0 ? 550 : 0;
  outcome.enhanced_code = take(text);
  outcome.text = take(text);
  outcome.remote_host = take(text);
  const std::string received_from = take(text);
  smtp::Recipient recipient;
  recipient.address = {.local_part = "bob", .domain = "example.org"};
  recipient.original_recipient = take(text);
  const std::string local_part = take(text);
  if (const auto parsed = smtp::parse_mailbox(local_part + "@example.org", {.smtputf8 = true}))
    recipient.address = *parsed;
  envelope.recipients.push_back(recipient);

  DsnRequest request;
  request.kind = static_cast<DsnKind>((choice >> 2) % 4);
  request.original = &envelope;
  request.recipients.push_back({.recipient = &recipient, .outcome = &outcome});
  request.reporting_mta = "relay.example.com";
  request.default_domain = "example.com";
  request.original_queue_id = "00000001000000000001";
  request.own_queue_id = "00000001000000000002";
  request.received_from = received_from;
  const Dsn dsn = build_dsn(request);

  const std::string whole = dsn.prefix + dsn.suffix;
  smtp::ContentScan scan;
  scan.add(as_bytes(whole));
  const smtp::ContentTraits traits = scan.traits();
  check(!traits.is_binary() && !traits.long_line, "lines as they should be");
  check(!traits.eight_bit_header, "an ASCII header section");
  check(dsn.traits.eight_bit_body || !traits.eight_bit_body, "8-bit only if it says so");
  check(dsn.envelope.body == smtp::BodyType::eight_bit_mime || !traits.eight_bit_body,
        "and the envelope too");
  for (const char c : whole) {
    const auto byte = static_cast<unsigned char>(c);
    check(byte >= 0x20 || c == '\r' || c == '\n' || c == '\t', "no control characters");
  }
  size_t parts = 0;
  for (size_t at = whole.find("\r\n--=_"); at != std::string::npos;
       at = whole.find("\r\n--=_", at + 1))
    ++parts;
  check(parts == 4, "three parts and the end");
  return 0;
}
