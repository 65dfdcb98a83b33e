// Any users file: read without harm, problems with their place, and every user is written as read.
#include "fuzz.h"
#include "mailroot/sasl/users.h"

using namespace mailroot;
using mailroot::fuzz::check;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto users = sasl::Users::parse(fuzz::as_text(data, size));
  if (!users) {
    check(!users.error().empty(), "a refused file has problems");
    for (const auto& problem : users.error()) {
      check(problem.line > 0 && problem.column > 0 && !problem.text.empty(), "a problem's place");
    }
    return 0;
  }
  for (const auto& [name, user] : *users) {
    check(name == user.name && users->find(name) == &user, "users are found by their names");
    check(!user.hash.empty() || user.keys.has_value(), "a user has a verifier");
    const auto again = sasl::parse_user(user.to_line());
    check(again.has_value() && again->to_line() == user.to_line(), "a line is read as written");
  }
  return 0;
}
