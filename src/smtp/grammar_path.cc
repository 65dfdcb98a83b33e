// Path and Mailbox (RFC 5321 4.1.2), with the extension of RFC 6531 3.3, and their output.
#include <array>

#include "grammar_internal.h"
#include "mailroot/smtp/grammar.h"
#include "mailroot/smtp/limits.h"

namespace mailroot::smtp {

namespace {

using Failure = std::unexpected<GrammarError>;

// atext = ALPHA / DIGIT / "!" / "#" / "$" / ... (RFC 5322 3.2.3) / UTF8-non-ascii
constexpr std::array<bool, 256> make_atext() {
  std::array<bool, 256> table{};
  for (int c = 0; c < 256; ++c) {
    table[static_cast<size_t>(c)] =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c >= 0x80 ||
        std::string_view("!#$%&'*+-/=?^_`{|}~").find(static_cast<char>(c)) !=
            std::string_view::npos;
  }
  return table;
}
constexpr std::array<bool, 256> kAtext = make_atext();

bool is_atext(char c) { return kAtext[static_cast<unsigned char>(c)]; }

// Dot-string = Atom *("." Atom); its length at the start of text, 0 for none.
size_t dot_string_length(std::string_view text) {
  size_t i = 0;
  while (true) {
    const size_t atom = i;
    while (i < text.size() && is_atext(text[i])) ++i;
    if (i == atom) return 0;
    if (i == text.size() || text[i] != '.') return i;
    ++i;
  }
}

// Quoted-string = DQUOTE *( qtextSMTP / "\" %d32-126 ) DQUOTE; appends the value, returns the
// length at the start of text, 0 for none.
size_t quoted_string_length(std::string_view text, std::string& value) {
  for (size_t i = 1; i < text.size(); ++i) {
    unsigned char c = static_cast<unsigned char>(text[i]);
    if (c == '"') return i + 1;
    if (c == '\\') {
      if (++i == text.size()) return 0;
      c = static_cast<unsigned char>(text[i]);
      if (c >= 0x80) return 0;
    }
    if (c < 0x20 || c == 0x7f) return 0;
    value.push_back(static_cast<char>(c));
  }
  return 0;
}

// Local-part = Dot-string / Quoted-string; its length at the start of text, 0 for none.
size_t take_local_part(std::string_view text, std::string& value) {
  if (text.starts_with('"')) return quoted_string_length(text, value);
  const size_t length = dot_string_length(text);
  value.assign(text.substr(0, length));
  return length;
}

// Octets above 127 must be UTF-8, allowed, and none of the characters that mislead.
std::optional<GrammarError> check_characters(std::string_view text, bool smtputf8) {
  if (is_ascii(text)) return std::nullopt;
  if (!is_valid_utf8(text)) return GrammarError::invalid_utf8;
  if (has_forbidden_character(text)) return GrammarError::syntax;
  if (!smtputf8) return GrammarError::non_ascii;
  return std::nullopt;
}

// "@" ( Domain / address-literal ), or nothing: then the rules' domain. `text` is all of it.
std::optional<GrammarError> finish_domain(std::string_view text, const AddressRules& rules,
                                          Mailbox& mailbox) {
  if (text.empty()) {
    if (!rules.default_domain.empty()) {
      mailbox.domain = rules.default_domain;
    } else if (!rules.own_domain.empty() &&
               equals_ignoring_case(mailbox.local_part, "postmaster")) {
      mailbox.domain = rules.own_domain;
    } else {
      return GrammarError::no_domain;
    }
    for (char& c : mailbox.domain) c = to_lower(c);
    return std::nullopt;
  }
  if (text.front() != '@') return GrammarError::syntax;
  text.remove_prefix(1);
  if (text.starts_with('[')) {
    auto literal = parse_address_literal(text);
    if (!literal) return GrammarError::syntax;
    mailbox.domain = std::move(*literal);
    return std::nullopt;
  }
  auto domain = parse_domain(text, rules.smtputf8);
  if (!domain) return domain.error();
  mailbox.domain = std::move(*domain);
  return std::nullopt;
}

// A-d-l = "@" Domain *( "," "@" Domain ), then ":". Must be well-formed, is then ignored.
std::optional<GrammarError> skip_source_route(std::string_view& text, bool smtputf8) {
  while (true) {
    if (!text.starts_with('@')) return GrammarError::syntax;
    size_t end = 1;
    if (text.substr(1).starts_with('[')) {
      end = text.find(']');
      if (end == text.npos) return GrammarError::syntax;
      ++end;
      if (!parse_address_literal(text.substr(1, end - 1))) return GrammarError::syntax;
    } else {
      end = text.find_first_of(",:");
      if (end == text.npos) return GrammarError::syntax;
      if (auto domain = parse_domain(text.substr(1, end - 1), smtputf8); !domain) {
        return domain.error();
      }
    }
    if (end == text.size()) return GrammarError::syntax;
    const char separator = text[end];
    text.remove_prefix(end + 1);
    if (separator == ':') return std::nullopt;
    if (separator != ',') return GrammarError::syntax;
  }
}

// The '>' that ends the path: the first one outside a quoted-string.
size_t find_path_end(std::string_view text) {
  bool quoted = false;
  for (size_t i = 1; i < text.size() && i < kPathMax; ++i) {
    const char c = text[i];
    if (c == '"') quoted = !quoted;
    if (c == '\\' && quoted) ++i;
    if (c == '>' && !quoted) return i;
  }
  return text.npos;
}

}  // namespace

std::expected<Mailbox, GrammarError> parse_mailbox(std::string_view text,
                                                   const AddressRules& rules) {
  if (text.size() > kPathMax - 2) return Failure(GrammarError::too_long);
  if (auto error = check_characters(text, rules.smtputf8)) return Failure(*error);
  Mailbox mailbox;
  const size_t length = take_local_part(text, mailbox.local_part);
  if (length == 0) return Failure(GrammarError::syntax);
  if (mailbox.local_part.size() > kLocalPartMax) return Failure(GrammarError::too_long);
  if (auto error = finish_domain(text.substr(length), rules, mailbox)) return Failure(*error);
  return mailbox;
}

std::expected<ParsedPath, GrammarError> parse_path(std::string_view text,
                                                   const AddressRules& rules) {
  if (!text.starts_with('<')) return Failure(GrammarError::syntax);
  const size_t end = find_path_end(text);
  if (end == text.npos) {
    return Failure(text.size() > kPathMax ? GrammarError::too_long : GrammarError::syntax);
  }
  std::string_view inner = text.substr(1, end - 1);
  if (inner.empty()) {
    if (!rules.null_path) return Failure(GrammarError::syntax);
    return ParsedPath{Mailbox{}, end + 1};
  }
  if (inner.front() == '@') {
    if (auto error = check_characters(inner, rules.smtputf8)) return Failure(*error);
    if (auto error = skip_source_route(inner, rules.smtputf8)) return Failure(*error);
  }
  auto mailbox = parse_mailbox(inner, rules);
  if (!mailbox) return Failure(mailbox.error());
  return ParsedPath{std::move(*mailbox), end + 1};
}

std::string to_string(const Mailbox& mailbox) {
  if (mailbox.is_null()) return {};
  std::string text;
  text.reserve(mailbox.local_part.size() + mailbox.domain.size() + 3);
  const bool plain = dot_string_length(mailbox.local_part) == mailbox.local_part.size() &&
                     !mailbox.local_part.empty();
  if (plain) {
    text += mailbox.local_part;
  } else {
    text += '"';
    for (char c : mailbox.local_part) {
      if (c == '"' || c == '\\') text += '\\';
      text += c;
    }
    text += '"';
  }
  if (!mailbox.domain.empty()) {
    text += '@';
    text += mailbox.domain;
  }
  return text;
}

std::string to_path(const Mailbox& mailbox) { return '<' + to_string(mailbox) + '>'; }

}  // namespace mailroot::smtp
