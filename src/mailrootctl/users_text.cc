#include "users_text.h"

#include <algorithm>

#include "mailroot/sasl/limits.h"
#include "mailroot/sasl/password.h"

namespace mailroot::ctl {

namespace {

struct Span {
  size_t begin = 0, end = 0;  // of the line, with its end
};

std::optional<Span> find_line(std::string_view text, const std::string& name) {
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.size(), text.find('\n', at));
    const std::string_view line = text.substr(at, end - at);
    if (line.starts_with(name) && line.substr(name.size()).starts_with(':')) {
      return Span{at, std::min(text.size(), end + 1)};
    }
    at = end + 1;
  }
  return std::nullopt;
}

std::string no_such_user(const std::string& name) { return "there is no user " + name; }

}  // namespace

std::expected<std::string, std::string> with_user(std::string_view text, const sasl::User& user) {
  if (find_line(text, user.name)) {
    return std::unexpected("there is a user " + user.name + " already");
  }
  std::string out(text);
  if (!out.empty() && !out.ends_with('\n')) out += '\n';
  return out + user.to_line() + '\n';
}

std::expected<std::string, std::string> with_user_changed(std::string_view text,
                                                          const sasl::User& user) {
  const auto line = find_line(text, user.name);
  if (!line) return std::unexpected(no_such_user(user.name));
  std::string out(text);
  return out.replace(line->begin, line->end - line->begin, user.to_line() + '\n');
}

std::expected<std::string, std::string> without_user(std::string_view text,
                                                     const std::string& name) {
  const auto line = find_line(text, name);
  if (!line) return std::unexpected(no_such_user(name));
  std::string out(text);
  return out.erase(line->begin, line->end - line->begin);
}

std::optional<Verifiers> make_verifiers(std::string_view password, std::string_view random) {
  Verifiers out;
  out.hash = sasl::make_hash(password, random.substr(sasl::kSaltBytes));
  if (out.hash.empty()) return std::nullopt;
  out.keys = sasl::make_scram_keys(password, std::string(random.substr(0, sasl::kSaltBytes)),
                                   sasl::kScramIterations);
  return out;
}

std::string_view why_no_password(std::string_view password) {
  if (password.empty()) return "an empty password";
  if (password.size() > sasl::kPasswordMax) return "the password is too long";
  if (!sasl::check_name(password)) return "a control character in the password";
  return {};
}

}  // namespace mailroot::ctl
