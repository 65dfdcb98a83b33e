// address-list = (address *("," address))                                    (RFC 5322 3.4)
// address      = mailbox / group ;  mailbox = [display-name] "<" addr-spec ">" / addr-spec
// Only what is an address is kept; addr-specs are read by the one parser in smtp/grammar.h.
#include <algorithm>
#include <utility>

#include "mailroot/message/pickup.h"
#include "mailroot/smtp/grammar.h"

namespace mailroot::message {

namespace {

class AddressListReader {
 public:
  AddressListReader(std::string_view body, std::string_view default_domain, bool null_path,
                    std::vector<smtp::Mailbox>& mailboxes)
      : text_(body), mailboxes_(mailboxes) {
    rules_.smtputf8 = true;
    rules_.null_path = null_path;
    rules_.default_domain = default_domain;
  }

  bool read() {
    while (at_ < text_.size())
      if (!step()) return false;
    return end_address();
  }

 private:
  bool step();
  bool quoted_string();
  bool comment();
  bool angle();
  bool end_address();
  static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

  std::string_view text_;
  std::vector<smtp::Mailbox>& mailboxes_;
  smtp::AddressRules rules_;
  size_t at_ = 0;
  std::string words_;       // outside angle brackets: a display name, or the addr-spec itself
  bool gap_ = false;        // blanks stood between words_ and what comes
  bool has_angle_ = false;  // words_ was a display name
  bool in_group_ = false;
};

bool AddressListReader::step() {
  const char c = text_[at_];
  if (is_blank(c)) {
    ++at_;
    gap_ = !words_.empty();
    return true;
  }
  if (c == '(') return comment();
  if (c == '<') return angle();
  if (c == ',') {
    ++at_;
    return end_address();
  }
  if (c == ':' && !in_group_ && !has_angle_) {
    ++at_;
    in_group_ = true;
    words_.clear();
    gap_ = false;
    return true;
  }
  if (c == ';' && in_group_) {
    ++at_;
    in_group_ = false;
    return end_address();
  }
  if (has_angle_) return false;
  // Blanks are allowed around "@" and "." in obsolete forms; between words they make a display
  // name, which is marked by a blank that no addr-spec can hold.
  const bool joins = c == '@' || c == '.' || words_.ends_with('@') || words_.ends_with('.');
  if (gap_ && !joins) words_ += ' ';
  gap_ = false;
  if (c == '"') return quoted_string();
  words_ += c;
  ++at_;
  return true;
}

bool AddressListReader::quoted_string() {
  const size_t begin = at_++;
  while (at_ < text_.size() && text_[at_] != '"') at_ += text_[at_] == '\\' ? 2 : 1;
  if (at_ >= text_.size()) return false;
  ++at_;
  words_ += text_.substr(begin, at_ - begin);
  return true;
}

bool AddressListReader::comment() {
  size_t depth = 0;
  while (at_ < text_.size()) {
    const char c = text_[at_];
    at_ += c == '\\' ? 2 : 1;
    if (c == '(') ++depth;
    if (c == ')' && --depth == 0) {
      gap_ = !words_.empty();
      return true;
    }
  }
  return false;
}

bool AddressListReader::angle() {
  if (has_angle_) return false;
  const size_t begin = at_;
  bool quoted = false;
  for (; at_ < text_.size(); ++at_) {
    const char c = text_[at_];
    if (quoted && c == '\\') {
      ++at_;
    } else if (c == '"') {
      quoted = !quoted;
    } else if (c == '>' && !quoted) {
      ++at_;
      std::string path(text_.substr(begin, at_ - begin));
      if (path.find('"') == std::string::npos) std::erase_if(path, is_blank);
      const auto parsed = smtp::parse_path(path, rules_);
      if (!parsed || parsed->length != path.size()) return false;
      mailboxes_.push_back(parsed->mailbox);
      has_angle_ = true;
      words_.clear();
      gap_ = false;
      return mailboxes_.size() <= kPickupRecipientsMax;
    }
  }
  return false;
}

bool AddressListReader::end_address() {
  const bool had_angle = has_angle_;
  const std::string words = std::exchange(words_, {});
  has_angle_ = gap_ = false;
  if (had_angle || words.empty()) return true;
  const auto parsed = smtp::parse_mailbox(words, rules_);
  if (!parsed) return false;
  mailboxes_.push_back(*parsed);
  return mailboxes_.size() <= kPickupRecipientsMax;
}

}  // namespace

bool parse_address_list(std::string_view body, std::string_view default_domain, bool null_path,
                        std::vector<smtp::Mailbox>& mailboxes) {
  return AddressListReader(body, default_domain, null_path, mailboxes).read();
}

}  // namespace mailroot::message
