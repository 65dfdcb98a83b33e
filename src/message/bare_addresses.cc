// mailbox  = [display-name] "<" addr-spec ">" / addr-spec                     (RFC 5322 3.4)
// Here addr-spec may be a local-part alone: what programs write that know no domain.
#include "mailroot/message/bare_addresses.h"

#include <algorithm>
#include <optional>

#include "mailroot/smtp/grammar.h"

namespace mailroot::message {

namespace {

constexpr size_t kLocalPartMax = 64;  // RFC 5321 4.5.3.1.1
constexpr auto kNowhere = std::string_view::npos;

bool is_atom_character(char c) {
  const bool alphanumeric =
      (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  return alphanumeric || std::string_view("!#$%&'*+-/=?^_`{|}~").contains(c);
}

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

// What may become a local-part: atoms joined by dots, or (between angle brackets) a quoted string.
class LocalPart {
 public:
  void add_atom(size_t begin, std::string_view atom) {
    const bool encoded_word = atom.starts_with("=?") && atom.ends_with("?=");
    if (!wants_atom_ || encoded_word) is_other_ = true;
    if (begin_ == kNowhere) begin_ = begin;
    end_ = begin + atom.size();
    wants_atom_ = false;
  }
  void add_dot() {
    if (wants_atom_) is_other_ = true;
    wants_atom_ = true;
  }
  void add_other() { is_other_ = true; }

  std::optional<size_t> end() const {
    const bool is_local_part = begin_ != kNowhere && !is_other_ && !wants_atom_;
    if (!is_local_part || end_ - begin_ > kLocalPartMax) return std::nullopt;
    return end_;
  }

 private:
  size_t begin_ = kNowhere;
  size_t end_ = 0;
  bool wants_atom_ = true;
  bool is_other_ = false;
};

// Reads one field body; `text` ends where the body ends.
class BodyReader {
 public:
  BodyReader(std::string_view text, size_t begin) : text_(text), at_(begin) {}

  // False: this is no address list, and nothing that was found counts.
  bool read(std::vector<size_t>& places) {
    while (at_ < text_.size()) {
      if (!step(places)) return false;
    }
    end_address(places);
    return !in_angle_;
  }

 private:
  bool step(std::vector<size_t>& places) {
    const char c = text_[at_];
    if (is_blank(c)) return skip(1);
    if (c == '(') return comment();
    if (c == '"') return quoted_string();
    if (c == '[') return literal();
    if (c == ',' || (c == ';' && in_group_)) {
      if (in_angle_) return false;
      if (c == ';') in_group_ = false;
      end_address(places);
      return skip(1);
    }
    if (has_angle_) return false;  // something behind ">"
    if (c == '<') return !in_angle_ && open_angle();
    if (c == '>' && in_angle_) return close_angle(places);
    if (c == ':' && !in_group_ && !in_angle_) return begin_group();
    if (is_atom_character(c)) return atom();
    if (c == '.') {
      part_.add_dot();
    } else {
      part_.add_other();
    }
    return skip(1);
  }

  bool skip(size_t count) {
    at_ += count;
    return true;
  }

  bool atom() {
    const size_t begin = at_;
    while (at_ < text_.size() && is_atom_character(text_[at_])) ++at_;
    part_.add_atom(begin, text_.substr(begin, at_ - begin));
    return true;
  }

  bool comment() {
    size_t depth = 0;
    while (at_ < text_.size()) {
      const char c = text_[at_];
      at_ += c == '\\' ? 2 : 1;
      if (c == '(') ++depth;
      if (c == ')' && --depth == 0) return true;
    }
    return false;
  }

  bool quoted_string() {
    const size_t begin = at_++;
    while (at_ < text_.size() && text_[at_] != '"') at_ += text_[at_] == '\\' ? 2 : 1;
    if (at_ >= text_.size() || has_angle_) return false;
    ++at_;
    // Outside angle brackets it is more likely a name than a local-part.
    if (in_angle_) {
      part_.add_atom(begin, text_.substr(begin, at_ - begin));
    } else {
      part_.add_other();
    }
    return true;
  }

  bool literal() {
    const size_t end = text_.find(']', at_);
    if (end == kNowhere || has_angle_) return false;
    at_ = end + 1;
    part_.add_other();
    return true;
  }

  bool open_angle() {
    part_ = LocalPart();
    in_angle_ = true;
    return skip(1);
  }

  bool close_angle(std::vector<size_t>& places) {
    if (const auto end = part_.end()) places.push_back(*end);
    in_angle_ = false;
    has_angle_ = true;
    return skip(1);
  }

  bool begin_group() {
    part_ = LocalPart();
    in_group_ = true;
    return skip(1);
  }

  void end_address(std::vector<size_t>& places) {
    if (const auto end = part_.end(); end && !has_angle_) places.push_back(*end);
    part_ = LocalPart();
    has_angle_ = false;
  }

  std::string_view text_;
  size_t at_;
  LocalPart part_;
  bool in_angle_ = false;
  bool has_angle_ = false;  // this address has had its angle brackets
  bool in_group_ = false;
};

bool holds_addresses(std::string_view name) {
  return std::ranges::any_of(
      std::initializer_list<std::string_view>{"From", "To", "Cc", "Reply-To", "Sender"},
      [&](std::string_view wanted) { return smtp::equals_ignoring_case(name, wanted); });
}

// Behind the field that begins at `begin`: its continuation lines begin with a blank.
size_t field_end(std::string_view text, size_t begin) {
  size_t at = begin;
  while (true) {
    const size_t end = text.find('\n', at);
    if (end == kNowhere) return text.size();
    at = end + 1;
    if (at >= text.size() || (text[at] != ' ' && text[at] != '\t')) return at;
  }
}

}  // namespace

std::vector<size_t> bare_addresses(std::string_view text) {
  std::vector<size_t> places;
  size_t begin = 0;
  while (begin < text.size() && text[begin] != '\r' && text[begin] != '\n') {
    const size_t end = field_end(text, begin);
    const size_t colon = text.substr(0, end).find(':', begin);
    if (colon != kNowhere) {
      std::string_view name = text.substr(begin, colon - begin);
      name = name.substr(0, name.find_last_not_of(" \t") + 1);
      const size_t found = places.size();
      if (holds_addresses(name) && !BodyReader(text.substr(0, end), colon + 1).read(places)) {
        places.resize(found);
      }
    }
    begin = end;
  }
  return places;
}

std::string with_domain(std::string_view text, const std::vector<size_t>& places,
                        std::string_view domain) {
  std::string out;
  out.reserve(text.size() + places.size() * (domain.size() + 1));
  size_t copied = 0;
  for (const size_t place : places) {
    out += text.substr(copied, place - copied);
    out += '@';
    out += domain;
    copied = place;
  }
  out += text.substr(copied);
  return out;
}

}  // namespace mailroot::message
