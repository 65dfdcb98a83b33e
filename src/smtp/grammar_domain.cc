// Domain and address-literal (RFC 5321 4.1.2, 4.1.3; U-labels by RFC 6531 3.3).
#include "grammar_internal.h"
#include "mailroot/base/address.h"
#include "mailroot/smtp/grammar.h"
#include "mailroot/smtp/limits.h"

namespace mailroot::smtp {

namespace {

constexpr std::string_view kIpv6Tag = "IPv6:";

bool is_let_dig(unsigned char c) { return is_alpha(c) || is_digit(c) || c >= 0x80; }

// sub-domain = Let-dig [Ldh-str]; '_' is let through because machine names have it.
bool is_label(std::string_view label) {
  if (label.empty() || label.size() > kLabelMax) return false;
  if (label.front() == '-' || label.back() == '-') return false;
  for (unsigned char c : label) {
    if (!is_let_dig(c) && c != '-' && c != '_') return false;
  }
  return true;
}

}  // namespace

// Domain = sub-domain *("." sub-domain)
std::expected<std::string, GrammarError> parse_domain(std::string_view text, bool smtputf8) {
  if (text.ends_with('.')) text.remove_suffix(1);
  if (text.size() > kDomainMax) return std::unexpected(GrammarError::too_long);
  if (!is_ascii(text)) {
    if (!is_valid_utf8(text)) return std::unexpected(GrammarError::invalid_utf8);
    if (has_forbidden_character(text)) return std::unexpected(GrammarError::syntax);
    if (!smtputf8) return std::unexpected(GrammarError::non_ascii);
  }
  std::string domain(text);
  size_t start = 0;
  while (true) {
    const size_t dot = text.find('.', start);
    if (!is_label(text.substr(start, dot == text.npos ? dot : dot - start))) {
      return std::unexpected(GrammarError::syntax);
    }
    if (dot == text.npos) break;
    start = dot + 1;
  }
  for (char& c : domain) c = to_lower(c);
  return domain;
}

// address-literal = "[" ( IPv4-address-literal / IPv6-address-literal ) "]"
// General-address-literal has no registered tag, so it has no meaning to give it.
std::optional<std::string> parse_address_literal(std::string_view text) {
  if (text.size() < 2 || text.front() != '[' || text.back() != ']') return std::nullopt;
  text = text.substr(1, text.size() - 2);
  const bool tagged = equals_ignoring_case(text.substr(0, kIpv6Tag.size()), kIpv6Tag);
  if (tagged) text.remove_prefix(kIpv6Tag.size());
  const bool is_v6 = text.find(':') != text.npos;
  if (tagged != is_v6) return std::nullopt;
  const auto address = IpAddress::parse(text);
  if (!address) return std::nullopt;
  return address->to_literal();
}

}  // namespace mailroot::smtp
