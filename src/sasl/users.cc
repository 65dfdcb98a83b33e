#include "mailroot/sasl/users.h"

#include <algorithm>

#include "mailroot/sasl/limits.h"
#include "mailroot/sasl/password.h"

namespace mailroot::sasl {

namespace {

// When no user has verifiers to imitate: yescrypt of a random text, with crypt(3)'s usual cost.
constexpr const char* kModelHash =
    "$y$j9T$rvTYCLEIqOdcgnw0rhpfV/$JI.ki5Zg633Xu/N3cWulGu48eNWrqvHq81uPzI3E8Q9";

std::string keyed(const User& model, std::string_view what, std::string_view name) {
  const std::string secret =
      model.hash + (model.keys ? std::string(as_text(model.keys->stored_key)) : std::string());
  return std::string(as_text(hmac_sha256(secret, std::string(what) + std::string(name))));
}

Digest to_digest(std::string_view octets) {
  Digest digest;
  std::ranges::transform(octets, digest.begin(),
                         [](char c) { return static_cast<unsigned char>(c); });
  return digest;
}

bool proves_by_password(const ScramKeys& keys, std::string_view password) {
  const ScramKeys made = make_scram_keys(password, keys.salt, keys.iterations);
  return equals_secretly(as_text(made.stored_key), as_text(keys.stored_key));
}

}  // namespace

std::expected<Users, std::vector<UsersProblem>> Users::parse(std::string_view text) {
  std::vector<UsersProblem> problems;
  Users users;
  users.digest_ = sha256(text);
  if (text.size() > kUsersFileMax)
    return std::unexpected(std::vector{UsersProblem{1, 1, "the file is too large"}});
  std::map<std::string, int, std::less<>> lines;
  for (int number = 1; !text.empty(); ++number) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.find_first_not_of(" \t") == line.npos || line.starts_with('#')) continue;
    auto user = parse_user(line);
    if (!user) {
      problems.push_back(std::move(user.error()));
      problems.back().line = number;
    } else if (const auto [first, is_new] = lines.emplace(user->name, number); !is_new) {
      problems.push_back(
          {number, 1,
           "the user " + user->name + " is in line " + std::to_string(first->second) + " already"});
    } else if (users.size() == kUsersMax) {
      problems.push_back({number, 1, "too many users"});
    } else {
      std::string name = user->name;
      users.users_.emplace(std::move(name), std::move(*user));
    }
    if (problems.size() == kUserProblemsMax) break;
  }
  if (!problems.empty()) return std::unexpected(std::move(problems));
  users.choose_model();
  return users;
}

// The first of each kind: in most files all are alike.
void Users::choose_model() {
  for (const auto& [name, user] : users_) {
    if (model_.hash.empty()) model_.hash = user.hash;
    if (!model_.keys) model_.keys = user.keys;
  }
  if (model_.hash.empty() && !model_.keys) model_.hash = kModelHash;
}

const User* Users::find(std::string_view name) const {
  const auto found = users_.find(name);
  return found == users_.end() ? nullptr : &found->second;
}

bool Users::check_password(std::string_view name, std::string_view password) const {
  const User* const user = find(name);
  const User& checked = user != nullptr ? *user : model_;
  const bool by_hash = !checked.hash.empty();
  bool right = false;
  if (by_hash || !model_.hash.empty()) {
    right = matches_hash(password, by_hash ? checked.hash : model_.hash) && by_hash;
  }
  if (!by_hash && checked.keys) right = proves_by_password(*checked.keys, password);
  return right && user != nullptr && !user->disabled;
}

ScramKeys Users::scram_keys(std::string_view name) const {
  const User* const user = find(name);
  if (user != nullptr && user->keys && !user->disabled) return *user->keys;
  ScramKeys keys;
  keys.iterations = model_.keys ? model_.keys->iterations : kScramIterations;
  keys.salt = keyed(model_, "salt", name);
  keys.salt.resize(std::min(keys.salt.size(), model_.keys ? model_.keys->salt.size() : kSaltBytes));
  keys.stored_key = to_digest(keyed(model_, "stored", name));
  keys.server_key = to_digest(keyed(model_, "server", name));
  return keys;
}

}  // namespace mailroot::sasl
