// Time-stamp-line = "Received:" FWS Stamp CRLF                              (RFC 5321 4.4)
// Stamp           = From-domain By-domain Opt-info [CFWS] ";" FWS date-time
#include "mailroot/message/trace.h"

#include <algorithm>

#include "mailroot/message/limits.h"
#include "mailroot/smtp/grammar.h"

namespace mailroot::message {

namespace {

// What a client calls itself goes into a structured field: only characters of domains and address
// literals stay, so that it can open no comment, end no line and add no field.
std::string harmless_name(std::string_view name) {
  std::string result(name.substr(0, kTraceNameMax));
  for (char& c : result) {
    const bool alphanumeric =
        (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (!alphanumeric && std::string_view("-._:[]").find(c) == std::string_view::npos) c = '?';
  }
  return result.empty() ? "unknown" : result;
}

bool is_utf8_protocol(smtp::ExtendedProtocol protocol) {
  return protocol >= smtp::ExtendedProtocol::utf8smtp;
}

// RFC 6531 3.7.3: a non-ASCII address only where the message is internationalised.
bool may_show(const smtp::Mailbox& mailbox, const ReceivedFacts& facts) {
  const std::string text = smtp::to_string(mailbox);
  if (text.empty()) return false;
  if (smtp::is_printable_ascii(text)) return true;
  if (!is_utf8_protocol(facts.protocol)) return false;
  return std::ranges::none_of(text, [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 || byte == 0x7F;
  });
}

}  // namespace

std::string_view with_keyword(smtp::ExtendedProtocol protocol) {
  switch (protocol) {
    case smtp::ExtendedProtocol::smtp:
      return "SMTP";
    case smtp::ExtendedProtocol::esmtp:
      return "ESMTP";
    case smtp::ExtendedProtocol::esmtps:
      return "ESMTPS";
    case smtp::ExtendedProtocol::esmtpa:
      return "ESMTPA";
    case smtp::ExtendedProtocol::esmtpsa:
      return "ESMTPSA";
    case smtp::ExtendedProtocol::utf8smtp:
      return "UTF8SMTP";
    case smtp::ExtendedProtocol::utf8smtps:
      return "UTF8SMTPS";
    case smtp::ExtendedProtocol::utf8smtpa:
      return "UTF8SMTPA";
    case smtp::ExtendedProtocol::utf8smtpsa:
      return "UTF8SMTPSA";
  }
  return "ESMTP";
}

namespace {

// from-domain = "from" ( Domain / literal ) FWS "(" TCP-info ")"
std::string from_clause(const ReceivedFacts& facts) {
  std::string clause = "from " + harmless_name(facts.client_name) + " (";
  if (facts.client_host && !facts.client_host->empty()) {
    clause += harmless_name(*facts.client_host) + ' ';
  }
  clause += facts.client_ip->to_literal();
  const bool is_unverified =
      facts.client_host && !smtp::equals_ignoring_case(*facts.client_host, facts.client_name);
  if (is_unverified) clause += " unverified";
  return clause + ")\r\n\t";
}

}  // namespace

std::string received_field(const ReceivedFacts& facts) {
  std::string field = "Received: ";
  if (facts.client_ip) field += from_clause(facts);
  field += "by ";
  field += facts.by_host;
  if (facts.client_ip) {
    field += " with ";
    field += with_keyword(facts.protocol);
  } else {
    field += " (Pickup)";
  }
  field += " id ";
  field += facts.queue_id;
  if (facts.only_recipient != nullptr && may_show(*facts.only_recipient, facts))
    field += "\r\n\tfor " + smtp::to_path(*facts.only_recipient);
  if (!facts.tls_cipher.empty()) {
    field += "\r\n\ttls ";
    field += facts.tls_cipher;
    field += " (";
    field += facts.tls_version;
    field += ')';
  }
  field += ";\r\n\t" + date_time(facts.received_at);
  return field += "\r\n";
}

std::string return_path_field(const smtp::Mailbox& reverse_path) {
  return "Return-Path: " + smtp::to_path(reverse_path) + "\r\n";
}

std::string missing_fields(const HeaderFacts& facts, WallTime now, std::string_view queue_id,
                           std::string_view by_host) {
  std::string fields;
  if (!facts.has_date) fields += "Date: " + date_time(now) + "\r\n";
  if (!facts.has_message_id) {
    fields += "Message-ID: <";
    fields += queue_id;
    // Queue ids are unique within one home directory, the time between them.
    fields += '.' + std::to_string(now.time_since_epoch().count()) + '@';
    fields += by_host;
    fields += ">\r\n";
  }
  return fields;
}

}  // namespace mailroot::message
