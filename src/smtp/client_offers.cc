// ehlo-line = ehlo-keyword *( SP ehlo-param )      (RFC 5321 4.1.1.1)
#include <algorithm>
#include <charconv>

#include "client_limits.h"
#include "mailroot/smtp/client_session.h"

namespace mailroot::smtp {

namespace {

std::string_view next_word(std::string_view& text) {
  const size_t begin = std::min(text.find_first_not_of(' '), text.size());
  text.remove_prefix(begin);
  const size_t end = std::min(text.find(' '), text.size());
  const std::string_view word = text.substr(0, end);
  text.remove_prefix(end);
  return word;
}

// A number that does not parse counts as not told.
template <class Number>
Number read_number(std::string_view text) {
  Number number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() ? number : 0;
}

std::string upper(std::string_view text) {
  std::string result(text);
  for (char& c : result)
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - ('a' - 'A'));
  return result;
}

// LIMITS MAILMAX=20 RCPTMAX=100 (RFC 9422); unknown names are ignored.
void read_limits(std::string_view rest, ServerOffers& offers) {
  for (std::string_view word = next_word(rest); !word.empty(); word = next_word(rest)) {
    const std::string limit = upper(word);
    if (limit.starts_with("RCPTMAX="))
      offers.recipients_max = read_number<uint32_t>(std::string_view(limit).substr(8));
    if (limit.starts_with("MAILMAX="))
      offers.transactions_max = read_number<uint32_t>(std::string_view(limit).substr(8));
  }
}

void add_authentication(std::string_view rest, ServerOffers& offers) {
  for (std::string_view word = next_word(rest); !word.empty(); word = next_word(rest)) {
    if (!offers.authentication.empty()) offers.authentication += ' ';
    offers.authentication += upper(word);
  }
}

void read_offer(std::string_view line, ServerOffers& offers) {
  const std::string keyword = upper(next_word(line));
  if (keyword == "PIPELINING") {
    offers.pipelining = true;
  } else if (keyword == "8BITMIME") {
    offers.eight_bit_mime = true;
  } else if (keyword == "SMTPUTF8") {
    offers.smtputf8 = true;
  } else if (keyword == "CHUNKING") {
    offers.chunking = true;
  } else if (keyword == "BINARYMIME") {
    offers.binary_mime = true;
  } else if (keyword == "DSN") {
    offers.dsn = true;
  } else if (keyword == "ENHANCEDSTATUSCODES") {
    offers.enhanced_status_codes = true;
  } else if (keyword == "STARTTLS") {
    offers.start_tls = true;
  } else if (keyword == "SIZE") {
    offers.size = true;
    offers.size_limit_bytes = read_number<uint64_t>(next_word(line));
  } else if (keyword == "LIMITS") {
    read_limits(line, offers);
  } else if (keyword == "AUTH") {
    add_authentication(line, offers);
  }
}

}  // namespace

ServerOffers parse_offers(std::string_view reply_text) {
  ServerOffers offers;
  offers.esmtp = true;
  size_t lines = 0;
  size_t at = std::min(reply_text.find('\n'), reply_text.size());  // the first is the greeting
  while (at < reply_text.size() && ++lines <= kOffersMax) {
    const size_t end = std::min(reply_text.find('\n', at + 1), reply_text.size());
    read_offer(reply_text.substr(at + 1, end - at - 1), offers);
    at = end;
  }
  return offers;
}

}  // namespace mailroot::smtp
