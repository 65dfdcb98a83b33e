// One line of the users file.
#include <algorithm>

#include "mailroot/sasl/limits.h"
#include "mailroot/sasl/password.h"
#include "mailroot/sasl/users.h"

namespace mailroot::sasl {

namespace {

constexpr std::string_view kScramScheme = "SCRAM-SHA-256$";
constexpr std::string_view kSenders = "senders=";

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return out;
}

// Reads from the left; `at` is where a problem is.
class LineParser {
 public:
  explicit LineParser(std::string_view line) : line_(line) {}

  std::expected<User, UsersProblem> parse() {
    if (line_.size() > kUserLineMax) return problem(kUserLineMax, "the line is too long");
    const size_t colon = line_.find(':');
    if (colon == line_.npos) return problem(0, "expected name:verifier");
    user_.name = line_.substr(0, colon);
    if (const auto why = why_no_name(user_.name); !why.empty()) return problem(0, why);
    at_ = colon + 1;
    for (bool more = true; more;) {
      if (const auto why = take_verifier(); !why.empty()) return problem(at_, why);
      more = at_ < line_.size() && line_[at_] == ' ';
      if (more) ++at_;
    }
    if (at_ < line_.size()) {
      ++at_;
      if (const auto why = take_options(); !why.empty()) return problem(at_, why);
    }
    return std::move(user_);
  }

 private:
  std::unexpected<UsersProblem> problem(size_t at, std::string_view text) const {
    return std::unexpected(UsersProblem{0, static_cast<int>(at) + 1, std::string(text)});
  }

  // One hash or one set of keys; at_ goes behind it, to a blank, a colon or the end.
  std::string_view take_verifier() {
    const std::string_view rest = line_.substr(at_);
    size_t end = rest.find_first_of(": ");
    if (!rest.starts_with(kScramScheme)) {
      const std::string_view hash = rest.substr(0, end);
      if (hash.empty()) return "expected a verifier, $y$... or SCRAM-SHA-256$...";
      if (const auto why = why_no_hash(hash); !why.empty()) return why;
      if (!user_.hash.empty()) return "a second hash";
      user_.hash = hash;
    } else {
      // Two colons belong to the keys.
      for (int i = 0; i < 2 && end != rest.npos; ++i) end = rest.find_first_of(": ", end + 1);
      if (user_.keys) return "a second set of SCRAM keys";
      user_.keys = parse_scram_keys(rest.substr(0, end));
      if (!user_.keys) {
        return "expected SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey, with at least 4096 "
               "iterations";
      }
    }
    at_ = std::min(line_.size(), end == rest.npos ? line_.size() : at_ + end);
    return {};
  }

  std::string_view take_options() {
    while (at_ < line_.size()) {
      const std::string_view rest = line_.substr(at_);
      const std::string_view option = rest.substr(0, rest.find(' '));
      if (option == "disabled") {
        user_.disabled = true;
      } else if (option.starts_with(kSenders)) {
        if (!user_.senders.empty()) return "senders= a second time";
        if (!take_senders(option.substr(kSenders.size()))) {
          return "senders= needs addresses and @domains with commas between, 100 at most";
        }
      } else if (!option.empty()) {
        return "unknown option: there are senders=... and disabled";
      }
      at_ = std::min(line_.size(), at_ + option.size() + 1);
    }
    return {};
  }

  bool take_senders(std::string_view list) {
    while (true) {
      const std::string_view sender = list.substr(0, list.find(','));
      const size_t mark = sender.rfind('@');
      if (mark == sender.npos || mark + 1 == sender.size()) return false;
      if (user_.senders.size() == kSendersMax) return false;
      user_.senders.push_back(lower(sender));
      if (sender.size() == list.size()) return true;
      list.remove_prefix(sender.size() + 1);
    }
  }

  std::string_view line_;
  size_t at_ = 0;
  User user_;
};

}  // namespace

std::string_view why_no_name(std::string_view name) {
  if (name.empty()) return "expected the user's name";
  if (name.size() > kNameMax) return "the user's name is too long: at most 255 octets";
  if (!check_name(name)) return "a control character in the user's name";
  if (name.contains(':')) return "a colon in the user's name";
  if (name.starts_with('#')) return "a user's name that begins with #";
  if (name.starts_with(' ') || name.ends_with(' ')) {
    return "a blank at the beginning or the end of the user's name";
  }
  return {};
}

std::expected<User, UsersProblem> parse_user(std::string_view line) {
  return LineParser(line).parse();
}

bool User::may_send_as(std::string_view address) const {
  if (senders.empty() || address.empty()) return true;
  const std::string wanted = lower(address);
  const std::string_view domain =
      std::string_view(wanted).substr(std::min(wanted.size(), wanted.rfind('@')));
  return std::ranges::any_of(senders, [&](const std::string& sender) {
    return sender.starts_with('@') ? sender == domain : sender == wanted;
  });
}

std::string User::to_line() const {
  std::string out = name + ':' + hash;
  if (keys) out += (hash.empty() ? "" : " ") + to_string(*keys);
  std::string options;
  for (const std::string& sender : senders) {
    options += (options.empty() ? std::string(kSenders) : std::string(",")) + sender;
  }
  if (disabled) options += options.empty() ? "disabled" : " disabled";
  return options.empty() ? out : out + ':' + options;
}

}  // namespace mailroot::sasl
