// The one address parser (RFC 5321 4.1.2, 4.1.3; RFC 6531 3.3) and the small grammars around it:
// xtext (RFC 3461 4), ESMTP parameters, UTF-8. Policy, routing and output all use what it returns.
// Pure functions, any thread; linear in the length of the text.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include "mailroot/smtp/envelope.h"

namespace mailroot::smtp {

enum class GrammarError : uint8_t {
  syntax,        // not in the grammar
  too_long,      // beyond a limit of limits.h
  no_domain,     // a bare local-part and nothing to stamp it with
  non_ascii,     // well-formed UTF-8 where the rules allow ASCII only
  invalid_utf8,  // octets above 127 that are no UTF-8
};

struct AddressRules {
  bool smtputf8 = false;                 // non-ASCII allowed in local-part and domain
  bool null_path = false;                // parse_path: "<>" allowed (MAIL, not RCPT)
  std::string_view default_domain = {};  // stamps a bare local-part; empty: bare is refused ...
  std::string_view own_domain = {};      // ... except <postmaster>, which is stamped with this one
};

struct ParsedPath {
  Mailbox mailbox;
  size_t length;  // octets of text used, up to and with '>'
};

// Path = "<" [ A-d-l ":" ] Mailbox ">" at the start of `text`; the source route is ignored.
std::expected<ParsedPath, GrammarError> parse_path(std::string_view text,
                                                   const AddressRules& rules);
// Mailbox = Local-part "@" ( Domain / address-literal ), the whole of `text`.
std::expected<Mailbox, GrammarError> parse_mailbox(std::string_view text,
                                                   const AddressRules& rules);
// Lower case, without the one trailing dot that is tolerated; '_' is tolerated within labels.
std::expected<std::string, GrammarError> parse_domain(std::string_view text, bool smtputf8 = false);
// "[192.0.2.1]" or "[IPv6:2001:db8::1]" in canonical form; an IPv4-mapped one becomes IPv4.
std::optional<std::string> parse_address_literal(std::string_view text);

// RFC 3461 4: "+" and two upper case hex digits for what is not printable ASCII, "+" and "=".
std::string xtext_encode(std::string_view text);
std::optional<std::string> xtext_decode(std::string_view text);

bool is_ascii(std::string_view text);
// Strict (RFC 3629): no surrogates, no overlong forms, nothing above U+10FFFF.
bool is_valid_utf8(std::string_view text);
// Every octet is printable ASCII or space.
bool is_printable_ascii(std::string_view text);
// ASCII letters only; octets above 127 compare as they are.
bool equals_ignoring_case(std::string_view a, std::string_view b);

// esmtp-param = esmtp-keyword [ "=" esmtp-value ] (RFC 5321 4.1.2)
struct Parameter {
  std::string_view keyword;  // as written
  std::string_view value;    // never empty when present
  bool has_value = false;
};

// Splits what follows a path: " SIZE=100 BODY=8BITMIME". Views into the text.
class ParameterReader {
 public:
  // `non_ascii`: values may hold UTF-8 (RFC 6531 3.4), which the caller validates.
  ParameterReader(std::string_view text, bool non_ascii) : rest_(text), non_ascii_(non_ascii) {}
  // False at the end, and at the first thing that is no parameter: then malformed().
  bool next(Parameter& parameter);
  bool malformed() const { return malformed_; }

 private:
  bool fail();

  std::string_view rest_;
  bool non_ascii_;
  bool malformed_ = false;
};

}  // namespace mailroot::smtp
