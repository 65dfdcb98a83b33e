#include "mailroot/message/dsn.h"

#include <algorithm>

#include "dsn_text.h"
#include "mailroot/base/assert.h"
#include "mailroot/message/trace.h"
#include "mailroot/smtp/grammar.h"

namespace mailroot::message {

namespace {

std::string_view subject_word(DsnKind kind) {
  switch (kind) {
    case DsnKind::failed:
      return "Failure";
    case DsnKind::delayed:
      return "Delay";
    case DsnKind::relayed:
      return "Relay";
    case DsnKind::delivered:
      return "Success";
  }
  return "Failure";
}

// RFC 6533: the international forms only when something cannot be said in ASCII.
bool needs_utf8(const DsnRequest& request) {
  const smtp::Envelope& original = *request.original;
  if (!smtp::is_ascii(smtp::to_string(original.reverse_path))) return true;
  if (original.smtputf8 && request.traits.eight_bit_header) return true;
  return std::ranges::any_of(request.recipients, [](const DsnRecipient& recipient) {
    return !smtp::is_ascii(smtp::to_string(recipient.recipient->address));
  });
}

enum class Third : uint8_t { nothing, headers, message };

// RET is about failures; every other kind returns the header section only (RFC 3461 4.3).
Third third_part(const DsnRequest& request) {
  // A part with bare CR or LF could be sent by BINARYMIME only, to almost nobody.
  if (request.traits.is_binary()) return Third::nothing;
  if (request.kind != DsnKind::failed || request.original->ret == smtp::Return::headers)
    return Third::headers;
  return request.content_size_bytes <= request.full_size_limit_bytes ? Third::message
                                                                     : Third::headers;
}

std::string hexadecimal(uint64_t value) {
  std::string digits;
  for (; value != 0; value >>= 4U) digits += "0123456789abcdef"[value & 15U];
  std::ranges::reverse(digits);
  return digits;
}

void put_header(std::string& out, const DsnRequest& request, std::string_view boundary, bool utf8,
                bool eight_bit) {
  const smtp::Envelope& original = *request.original;
  out += "From: postmaster@" + dsn::clean(request.default_domain, utf8, 255) + "\r\n";
  out += "To: <" + dsn::clean(smtp::to_string(original.reverse_path), utf8, 900) + ">\r\n";
  out += "Subject: Delivery Status Notification (";
  out += subject_word(request.kind);
  out += ")\r\nDate: " + date_time(request.now) + "\r\n";
  out += "Message-ID: <" + dsn::clean(request.own_queue_id, false, 64) + '.' +
         hexadecimal(static_cast<uint64_t>(request.now.time_since_epoch().count())) + '@' +
         dsn::clean(request.reporting_mta, false, 255) + ">\r\n";
  out += "Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n";
  out += "Content-Type: multipart/report; report-type=";
  out += utf8 ? "global-delivery-status" : "delivery-status";
  out += ";\r\n\tboundary=\"";
  out += boundary;
  out += "\"\r\n";
  if (eight_bit) out += "Content-Transfer-Encoding: 8bit\r\n";
  out += "\r\nThis is a MIME-formatted message.\r\n";
}

void put_part(std::string& out, std::string_view boundary, std::string_view type, bool eight_bit) {
  out += "\r\n--";
  out += boundary;
  out += "\r\nContent-Type: ";
  out += type;
  out += "\r\n";
  if (eight_bit) out += "Content-Transfer-Encoding: 8bit\r\n";
  out += "\r\n";
}

}  // namespace

bool is_wanted(DsnKind kind, const smtp::Notify& notify) {
  if (notify.never) return false;
  const bool unsaid = notify.is_default();
  switch (kind) {
    case DsnKind::failed:
      return unsaid || notify.failure;
    case DsnKind::delayed:
      return unsaid || notify.delay;
    case DsnKind::relayed:
    case DsnKind::delivered:
      return notify.success;
  }
  return false;
}

Dsn build_dsn(const DsnRequest& request) {
  MAILROOT_ASSERT(request.original != nullptr && !request.original->reverse_path.is_null(),
                  "the null reverse-path gets no DSN");
  MAILROOT_ASSERT(!request.recipients.empty(), "a DSN is about recipients");
  const bool utf8 = needs_utf8(request);
  const Third third = third_part(request);
  const bool third_eight_bit = (third != Third::nothing && request.traits.eight_bit_header) ||
                               (third == Third::message && request.traits.eight_bit_body);
  const bool eight_bit = utf8 || third_eight_bit;
  // "=_" cannot stand in quoted-printable, and the time makes it no sender's to foresee.
  const std::string boundary =
      "=_" + dsn::clean(request.own_queue_id, false, 64) + '_' +
      hexadecimal(static_cast<uint64_t>(request.now.time_since_epoch().count()));

  Dsn result;
  put_header(result.prefix, request, boundary, utf8, eight_bit);
  put_part(result.prefix, boundary,
           utf8 ? "text/plain; charset=utf-8" : "text/plain; charset=us-ascii", utf8);
  result.prefix += dsn::plain_part(request, utf8);
  put_part(result.prefix, boundary,
           utf8 ? "message/global-delivery-status" : "message/delivery-status", utf8);
  result.prefix += dsn::status_part(request, utf8);
  if (third == Third::message) {
    put_part(result.prefix, boundary, utf8 ? "message/global" : "message/rfc822", third_eight_bit);
    result.original_bytes = request.content_size_bytes;
  } else if (third == Third::headers) {
    put_part(result.prefix, boundary, utf8 ? "message/global-headers" : "text/rfc822-headers",
             third_eight_bit);
    result.original_bytes = std::min(request.header_size_bytes, request.content_size_bytes);
  }
  result.suffix = "\r\n--" + boundary + "--\r\n";

  result.envelope.smtputf8 = utf8;
  if (eight_bit) result.envelope.body = smtp::BodyType::eight_bit_mime;
  result.envelope.recipients = {{.address = request.original->reverse_path,
                                 .notify = {.never = true},
                                 .original_recipient = {}}};
  result.traits.eight_bit_header =
      !smtp::is_ascii(result.prefix.substr(0, result.prefix.find("\r\n\r\n")));
  result.traits.eight_bit_body = eight_bit;
  result.traits.long_line = third != Third::nothing && request.traits.long_line;
  return result;
}

}  // namespace mailroot::message
