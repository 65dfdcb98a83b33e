#include "users_text.h"

#include <doctest/doctest.h>

#include "mailroot/sasl/limits.h"

using namespace mailroot;
using namespace mailroot::ctl;

namespace {

sasl::User user(const std::string& name) {
  static const auto made = make_verifiers("secret", "0123456789abcdef0123456789abcdef");
  REQUIRE(made.has_value());
  sasl::User out;
  out.name = name;
  out.hash = made->hash;
  out.keys = made->keys;
  return out;
}

}  // namespace

TEST_CASE("both verifiers of a password") {
  const auto users = sasl::Users::parse(user("ann").to_line());
  REQUIRE(users.has_value());
  CHECK(users->check_password("ann", "secret"));
  CHECK_FALSE(users->check_password("ann", "other"));
  const auto keys = sasl::make_scram_keys("secret", user("ann").keys->salt, 4096);
  CHECK(to_string(keys) == to_string(users->scram_keys("ann")));
  CHECK(keys.salt.size() == sasl::kSaltBytes);
}

TEST_CASE("one line changes, everything else stays") {
  const std::string ann = user("ann").to_line(), bob = user("bob").to_line();
  const std::string text = "# our users\r\n\n" + ann + "\n# last\n" + bob;
  CHECK(with_user(text, user("cec")) == text + "\n" + user("cec").to_line() + "\n");
  CHECK(with_user("", user("ann")) == ann + "\n");
  auto disabled = user("ann");
  disabled.disabled = true;
  CHECK(with_user_changed(text, disabled) ==
        "# our users\r\n\n" + ann + ":disabled\n# last\n" + bob);
  CHECK(without_user(text, "ann") == "# our users\r\n\n# last\n" + bob);
  CHECK(without_user(text, "bob") == "# our users\r\n\n" + ann + "\n# last\n");
}

TEST_CASE("users that are there already, and that are not") {
  const std::string text = user("ann").to_line() + "\n#bob:x\n";
  CHECK_FALSE(with_user(text, user("ann")).has_value());
  CHECK_FALSE(with_user_changed(text, user("an")).has_value());
  CHECK_FALSE(without_user(text, "bob").has_value());
  CHECK_FALSE(without_user("", "ann").has_value());
}

TEST_CASE("what is no password") {
  CHECK(why_no_password("correct horse \xc3\xa4").empty());
  CHECK_FALSE(why_no_password("").empty());
  CHECK_FALSE(why_no_password("a\tb").empty());
  CHECK_FALSE(why_no_password(std::string(sasl::kPasswordMax + 1, 'x')).empty());
}
