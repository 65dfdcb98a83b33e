#include "mailroot/sasl/users.h"

#include <doctest/doctest.h>

#include "mailroot/sasl/limits.h"
#include "mailroot/sasl/password.h"

using namespace mailroot::sasl;

namespace {

// SHA-512 crypt with its fewest rounds, of "secret": quick.
constexpr std::string_view kHash =
    "$6$rounds=1000$saltsalt$"
    "XrGYDnOuHpd8R4CLsR7pQ9DiyBB7CrZqMyNYP4E0i5e0d1K9l/3Xo6CcFUC1K2oUVIvn5XOfmuF2iZsRmGWYh1";

std::string quick_hash(std::string_view password) {
  static const std::string yescrypt = make_hash(password, "0123456789abcdef");
  return yescrypt;
}

std::string keys(std::string_view password) {
  return to_string(make_scram_keys(password, "0123456789abcdef", 4096));
}

Users users_of(const std::string& text) {
  auto users = Users::parse(text);
  REQUIRE(users.has_value());
  return std::move(*users);
}

UsersProblem only_problem(const std::string& text) {
  const auto users = Users::parse(text);
  REQUIRE_FALSE(users.has_value());
  REQUIRE(users.error().size() == 1);
  return users.error().front();
}

}  // namespace

TEST_CASE("hashes of crypt(3)") {
  const std::string hash = make_hash("secret", "0123456789abcdef");
  CHECK(hash.starts_with("$y$"));
  CHECK(why_no_hash(hash).empty());
  CHECK(matches_hash("secret", hash));
  CHECK_FALSE(matches_hash("Secret", hash));
  CHECK_FALSE(matches_hash("", hash));
  CHECK_FALSE(matches_hash(std::string_view("secret\0", 7), hash));
  CHECK(make_hash("secret", "fedcba9876543210") != hash);
  CHECK(why_no_hash(kHash).empty());
}

TEST_CASE("what is no hash") {
  CHECK_FALSE(why_no_hash("secret").empty());
  CHECK_FALSE(why_no_hash("").empty());
  CHECK_FALSE(why_no_hash("*").empty());
  CHECK_FALSE(why_no_hash("$y$j9T$saltsaltsalt").empty());
  CHECK_FALSE(why_no_hash("$nothing$abcdefghijklmnopqrstuvwxyz0123456789").empty());
}

TEST_CASE("a file with everything") {
  const std::string hash = quick_hash("secret");
  const Users users = users_of(
      "# comment\n\n"
      "printer:" +
      hash +
      "\r\n"
      "erp@example.com:" +
      hash + " " + keys("other") +
      ":senders=ERP@example.com,@billing.example disabled\n"
      "scram:" +
      keys("third") +
      "\n"
      "last:" +
      keys("third") + ":senders=a@b");
  CHECK(users.size() == 4);
  const User* erp = users.find("erp@example.com");
  REQUIRE(erp != nullptr);
  CHECK(erp->hash == hash);
  CHECK(erp->keys.has_value());
  CHECK(erp->disabled);
  CHECK(erp->may_send_as("erp@EXAMPLE.com"));
  CHECK(erp->may_send_as("anybody@Billing.example"));
  CHECK(erp->may_send_as(""));
  CHECK_FALSE(erp->may_send_as("ceo@example.com"));
  CHECK_FALSE(erp->may_send_as("x@sub.billing.example"));
  CHECK_FALSE(erp->may_send_as("x@evil.test@example.com"));
  const User* printer = users.find("printer");
  REQUIRE(printer != nullptr);
  CHECK(printer->may_send_as("anybody@anywhere"));
  CHECK(users.find("Printer") == nullptr);
  CHECK(users.find("") == nullptr);
  CHECK(users_of("").size() == 0);
}

TEST_CASE("a line is written as it was read") {
  for (const std::string& line :
       {"a:" + quick_hash("secret"), "a:" + keys("x"), "a:" + keys("x") + ":disabled",
        "a:" + quick_hash("secret") + " " + keys("x") + ":senders=a@b,@c disabled"}) {
    const auto user = parse_user(line);
    REQUIRE(user.has_value());
    CHECK(user->to_line() == line);
  }
}

TEST_CASE("lines that are wrong, and where") {
  const std::string hash = quick_hash("secret");
  const auto at = [](const std::string& text) {
    const UsersProblem problem = only_problem(text);
    CHECK_FALSE(problem.text.contains("secret"));
    return std::pair(problem.line, problem.column);
  };
  CHECK(at("# x\nname") == std::pair(2, 1));
  CHECK(at(":" + hash) == std::pair(1, 1));
  CHECK(at("a\tb:" + hash) == std::pair(1, 1));
  CHECK(at(" a:" + hash) == std::pair(1, 1));
  CHECK(at("name:") == std::pair(1, 6));
  CHECK(at("name:secret") == std::pair(1, 6));
  CHECK(at("name:$y$j9T$secret") == std::pair(1, 6));
  CHECK(at("name:SCRAM-SHA-256$4096:secret") == std::pair(1, 6));
  CHECK(at("n:" + hash + " " + hash) == std::pair(1, static_cast<int>(4 + hash.size())));
  CHECK(at("n:" + keys("x") + " " + keys("x")).first == 1);
  CHECK(at("n:" + hash + ":wrong") == std::pair(1, static_cast<int>(4 + hash.size())));
  CHECK(at("n:" + hash + ":disabled senders=").first == 1);
  CHECK(at("n:" + hash + ":senders=nobody").first == 1);
  CHECK(at("n:" + hash + ":senders=a@b,").first == 1);
  CHECK(at("n:" + hash + "\nm:" + hash + "\nn:" + hash) == std::pair(3, 1));
  CHECK(at("n:" + hash + std::string(kUserLineMax, ' ')).first == 1);
}

TEST_CASE("all bad lines of a file, up to a limit") {
  const auto users = Users::parse("a\nb\nc\n");
  REQUIRE_FALSE(users.has_value());
  CHECK(users.error().size() == 3);
  std::string many;
  for (int i = 0; i < 1000; ++i) many += "bad\n";
  const auto limited = Users::parse(many);
  REQUIRE_FALSE(limited.has_value());
  CHECK(limited.error().size() == kUserProblemsMax);
}

TEST_CASE("passwords") {
  const Users users = users_of("hashed:" + quick_hash("secret") + "\nkeyed:" + keys("third") +
                               "\ngone:" + quick_hash("secret") + ":disabled\n");
  CHECK(users.check_password("hashed", "secret"));
  CHECK_FALSE(users.check_password("hashed", "third"));
  CHECK(users.check_password("keyed", "third"));
  CHECK_FALSE(users.check_password("keyed", "secret"));
  CHECK_FALSE(users.check_password("gone", "secret"));
  // Those that stand for nobody's are somebody's.
  CHECK_FALSE(users.check_password("nobody", "secret"));
  CHECK_FALSE(users.check_password("nobody", "third"));
  CHECK_FALSE(users_of("").check_password("nobody", "secret"));
}

TEST_CASE("keys of nobody look like somebody's and stay the same") {
  const Users users = users_of("a:" + keys("third") + "\ngone:" + keys("third") + ":disabled\n");
  CHECK(to_string(users.scram_keys("a")) == keys("third"));
  const ScramKeys nobody = users.scram_keys("nobody");
  CHECK(nobody.salt.size() == 16);
  CHECK(nobody.iterations == 4096);
  CHECK(to_string(nobody) == to_string(users.scram_keys("nobody")));
  CHECK(nobody.salt != users.scram_keys("nobody2").salt);
  CHECK(to_string(users.scram_keys("gone")) != keys("third"));
  const Users changed = users_of("a:" + keys("third") + "\nb:" + keys("x") + "\n");
  CHECK(to_string(nobody) == to_string(changed.scram_keys("nobody")));
}
