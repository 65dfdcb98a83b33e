// The envelope of one mail transaction (RFC 5321 2.3.1) with its ESMTP parameters, as a value.
// It is what the server session gathers, the spool stores and the client session sends again.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace mailroot::smtp {

// An address as one parser read it: policy, routing and output all use these two fields, never
// the text again. local_part holds the semantic value (quotes and escapes removed, case kept);
// domain is lower case, without a trailing dot, or a literal in brackets; empty = null path <>.
struct Mailbox {
  std::string local_part;
  std::string domain;

  bool is_null() const { return local_part.empty() && domain.empty(); }
  friend bool operator==(const Mailbox&, const Mailbox&) = default;
};

// The wire form without angle brackets, quoted where the grammar wants it; "" for the null path.
std::string to_string(const Mailbox& mailbox);
// "<" + to_string + ">".
std::string to_path(const Mailbox& mailbox);

enum class BodyType : uint8_t { seven_bit, eight_bit_mime, binary_mime };

// RFC 3461 4.1. Never excludes the others.
struct Notify {
  bool never = false;
  bool success = false;
  bool failure = false;
  bool delay = false;
  bool is_default() const { return !never && !success && !failure && !delay; }
  friend bool operator==(const Notify&, const Notify&) = default;
};

enum class Return : uint8_t { unspecified, full, headers };  // RFC 3461 4.3

struct Recipient {
  Mailbox address;
  Notify notify;
  std::string original_recipient;  // ORCPT as received, xtext-decoded: "rfc822;user@dom"; or empty
  friend bool operator==(const Recipient&, const Recipient&) = default;
};

struct Envelope {
  Mailbox reverse_path;
  BodyType body = BodyType::seven_bit;
  bool smtputf8 = false;
  Return ret = Return::unspecified;
  std::string envelope_id;                      // ENVID, xtext-decoded
  std::optional<uint64_t> declared_size_bytes;  // SIZE= of MAIL (RFC 1870)
  std::vector<Recipient> recipients;
  friend bool operator==(const Envelope&, const Envelope&) = default;
};

}  // namespace mailroot::smtp
