// The users file: who may log in, by what, as which sender. Pure; immutable once parsed.
//
//   # name : verifier [verifier] [: options]
//   printer:$y$j9T$...
//   erp@example.com:$y$j9T$...
//   SCRAM-SHA-256$4096:salt$StoredKey:ServerKey:senders=erp@example.com,@billing.example
//
// A verifier is a hash of crypt(3) or the keys of SCRAM-SHA-256, at most one of each, with a blank
// between. Options, with blanks between: `senders=` addresses and @domains the user may send as
// (absent: any), `disabled`.
#pragma once

#include <expected>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mailroot/sasl/scram.h"

namespace mailroot::sasl {

struct User {
  std::string name;
  std::string hash;  // of crypt(3); empty: none
  std::optional<ScramKeys> keys;
  std::vector<std::string> senders;  // lower case; empty: any
  bool disabled = false;

  // `address` without brackets; "" is the null sender, which everybody may use.
  bool may_send_as(std::string_view address) const;
  // Its line, without the end.
  std::string to_line() const;
};

struct UsersProblem {
  int line = 0;
  int column = 0;
  std::string text;  // never holds a verifier
};

// One line that is neither empty nor a comment; `line` of the problem is 0.
std::expected<User, UsersProblem> parse_user(std::string_view line);
// Why nobody can have this name, or "".
std::string_view why_no_name(std::string_view name);

class Users {
 public:
  // At most kUserProblemsMax problems.
  static std::expected<Users, std::vector<UsersProblem>> parse(std::string_view text);

  const User* find(std::string_view name) const;  // null: no such user
  size_t size() const { return users_.size(); }
  auto begin() const { return users_.begin(); }  // of (name, User), by name
  auto end() const { return users_.end(); }
  // Of the file's octets; what was checked with another one counts no more.
  const Digest& digest() const { return digest_; }

  // Slow, as password.h says, and equally slow for nobody: whether there is a user of this name is
  // not to be heard from the time it takes.
  bool check_password(std::string_view name, std::string_view password) const;
  // The keys of the user, or such as nobody can prove, always the same for one name.
  ScramKeys scram_keys(std::string_view name) const;

 private:
  void choose_model();

  std::map<std::string, User, std::less<>> users_;
  User model_;  // whose verifiers stand for those of nobody
  Digest digest_{};
};

}  // namespace mailroot::sasl
