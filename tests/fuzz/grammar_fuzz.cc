// Addresses, domains, literals, xtext, parameters: whatever is accepted reads the same again, keeps
// the limits, and has nothing in it that could break out of a reply, a header or a path.
#include <algorithm>
#include <string>

#include "fuzz.h"
#include "mailroot/smtp/grammar.h"
#include "mailroot/smtp/limits.h"

using namespace mailroot::smtp;
using mailroot::fuzz::check;

namespace {

bool has_control(std::string_view text) {
  return std::ranges::any_of(text, [](unsigned char c) { return c < 0x20 || c == 0x7f; });
}

void check_mailbox(const Mailbox& mailbox, const AddressRules& rules) {
  if (mailbox.is_null()) return;
  check(!mailbox.domain.empty(), "an address has a domain");
  check(mailbox.local_part.size() <= kLocalPartMax, "local part within its limit");
  check(mailbox.domain.size() <= kDomainMax, "domain within its limit");
  check(!has_control(mailbox.local_part) && !has_control(mailbox.domain), "no control octet");
  check(is_valid_utf8(mailbox.local_part) && is_valid_utf8(mailbox.domain), "UTF-8");
  check(rules.smtputf8 || (is_ascii(mailbox.local_part) && is_ascii(mailbox.domain)), "ASCII");
  check(mailbox.domain.starts_with('[') ||
            std::ranges::none_of(mailbox.domain, [](char c) { return c >= 'A' && c <= 'Z'; }),
        "the domain is lower case");
  check(mailbox.domain.find_first_of("@<> \"") == std::string::npos, "the domain is one");
}

// Reads again what was written; quoting may make it longer than a path may be.
void check_round_trip(const Mailbox& mailbox, const AddressRules& rules) {
  const std::string path = to_path(mailbox);
  if (path.size() > kPathMax) return;
  const auto again = parse_path(path, rules);
  check(again.has_value() && again->mailbox == mailbox, "a written path reads as it was");
  check(again->length == path.size(), "a written path is read whole");
}

void try_parameters(std::string_view text, bool non_ascii) {
  ParameterReader reader(text, non_ascii);
  Parameter parameter;
  while (reader.next(parameter)) {
    check(!parameter.keyword.empty(), "a keyword");
    check(parameter.has_value == !parameter.value.empty(), "no empty value");
    check(parameter.value.find_first_of(" =\r\n") == std::string_view::npos, "one value");
    check(parameter.value.data() == nullptr ||
              (parameter.value.data() >= text.data() &&
               parameter.value.data() + parameter.value.size() <= text.data() + text.size()),
          "views into the text");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  mailroot::fuzz::Steering steering(mailroot::fuzz::as_text(data, size));
  const uint8_t flags = steering.octet();
  const std::string_view text = steering.rest();
  const AddressRules rules{.smtputf8 = (flags & 1) != 0,
                           .null_path = true,
                           .default_domain = (flags & 2) != 0 ? "Here.test" : "",
                           .own_domain = "mx.test"};
  if (const auto path = parse_path(text, rules)) {
    check(path->length <= std::min(text.size(), kPathMax), "a path within its limit");
    check(text[path->length - 1] == '>', "a path ends in >");
    check_mailbox(path->mailbox, rules);
    check_round_trip(path->mailbox, rules);
    try_parameters(text.substr(path->length), rules.smtputf8);
  }
  if (const auto mailbox = parse_mailbox(text, rules)) {
    check_mailbox(*mailbox, rules);
    check_round_trip(*mailbox, rules);
  }
  if (const auto domain = parse_domain(text, rules.smtputf8)) {
    check(parse_domain(*domain, rules.smtputf8) == *domain, "a domain reads as itself");
  }
  if (const auto literal = parse_address_literal(text)) {
    check(parse_address_literal(*literal) == *literal, "a literal reads as itself");
  }
  check(xtext_decode(xtext_encode(text)) == text, "xtext");
  if (const auto decoded = xtext_decode(text)) check(decoded->size() <= text.size(), "xtext size");
  try_parameters(text, rules.smtputf8);
  return 0;
}
