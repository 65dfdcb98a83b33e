// Trace fields (RFC 5321 4.4) and the date forms used in mail. Pure: the time is a parameter.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "mailroot/base/address.h"
#include "mailroot/base/time.h"
#include "mailroot/message/header_scan.h"
#include "mailroot/smtp/envelope.h"
#include "mailroot/smtp/server_session.h"

namespace mailroot::message {

struct ReceivedFacts {
  std::string_view client_name;  // argument of EHLO; made harmless here, so give it as it came
  std::optional<IpAddress> client_ip;  // nothing: not received by SMTP (Pickup)
  // delivery.reverse_dns_lookup: the client's name in DNS, which leads back to its address; empty
  // when there is none. Nothing: not asked.
  std::optional<std::string_view> client_host = std::nullopt;
  std::string_view by_host;                                         // our FQDN
  smtp::ExtendedProtocol protocol = smtp::ExtendedProtocol::esmtp;  // WITH (RFC 3848, 6531)
  // Of a connection in TLS: the cipher suite's registered name (RFC 8314 4.3), the version.
  std::string_view tls_cipher = {}, tls_version = {};
  std::string_view queue_id;
  // Set only when the message has exactly one recipient: more would reveal blind copies.
  const smtp::Mailbox* only_recipient = nullptr;
  WallTime received_at;
};

// "Received: from ... by ... with ESMTP id ...; date CRLF", folded, at most 78 columns where the
// parts allow, ends in CRLF. With a lookup: "from helo (host.example [192.0.2.7])"; "unverified"
// behind the address says, as IIS did, that helo is not the client's name in DNS.
std::string received_field(const ReceivedFacts& facts);

// "Return-Path: <ann@example.com>CRLF", for Drop only (final delivery).
std::string return_path_field(const smtp::Mailbox& reverse_path);

// "Date:" and "Message-ID:" fields (RFC 5322 3.6) as far as the header section lacks them, in lines
// that end in CRLF, to stand on top of it; "" if it has both. For submitted mail only (RFC 6409 8):
// the content of others passes byte for byte. The queue id makes the Message-ID unique.
std::string missing_fields(const HeaderFacts& facts, WallTime now, std::string_view queue_id,
                           std::string_view by_host);

// "Thu, 05 Mar 2026 09:30:00 +0000" (RFC 5322 3.3).
std::string date_time(WallTime time);
// "2026-03-05T09:30:00.123Z", always 24 bytes; cut to the years 1970 to 2261.
std::string iso_time(WallTime time);
// Reads exactly the form of iso_time.
std::optional<WallTime> parse_iso_time(std::string_view text);

// The token after WITH: "ESMTPS" and so on.
std::string_view with_keyword(smtp::ExtendedProtocol protocol);

}  // namespace mailroot::message
