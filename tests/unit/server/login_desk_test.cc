// Passwords are checked aside; the reactor goes on, and too many are sent away.
#include "login_desk.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "limits.h"
#include "mailroot/sasl/password.h"

using namespace mailroot;
using namespace mailroot::server;
using reactor::task;

namespace {

std::shared_ptr<const sasl::Users> users_of(const std::string& text) {
  auto users = sasl::Users::parse(text);
  REQUIRE(users.has_value());
  return std::make_shared<const sasl::Users>(std::move(*users));
}

std::string hash() {
  static const std::string made = sasl::make_hash("secret", "0123456789abcdef");
  return made;
}

struct Rig {
  explicit Rig(reactor::Reactor& own) : reactor(own) {}

  reactor::Reactor& reactor;
  LoginDesk desk;
  std::shared_ptr<const sasl::Users> users = users_of("ann:" + hash() + "\n");
  std::vector<result<bool>> answers;

  task<void> ask(std::string user, std::string password) {
    auto answer = co_await desk.check(reactor, users, std::move(user), std::move(password));
    answers.push_back(answer);
  }
};

void run(task<void> (*body)(Rig&)) {
  std::string why;
  auto backend =
      reactor::make_backend(reactor::BackendChoice::epoll, reactor::BackendOptions{}, why);
  REQUIRE(backend.has_value());
  reactor::Reactor reactor(std::move(*backend), reactor::ReactorLimits{});
  Rig rig(reactor);
  reactor::TaskGroup group;
  const auto whole = [](Rig& own, task<void> (*part)(Rig&)) -> task<void> {
    co_await part(own);
    own.reactor.stop();
  };
  reactor.post([&] { group.spawn(whole(rig, body)); });
  reactor.run();
  REQUIRE(group.running() == 0);
}

}  // namespace

TEST_CASE("right, wrong, nobody") {
  run([](Rig& rig) -> task<void> {
    co_await rig.ask("ann", "secret");
    co_await rig.ask("ann", "wrong");
    co_await rig.ask("bob", "secret");
    REQUIRE(rig.answers.size() == 3);
    CHECK(rig.answers[0] == result<bool>(true));
    CHECK(rig.answers[1] == result<bool>(false));
    CHECK(rig.answers[2] == result<bool>(false));
  });
}

TEST_CASE("a login that was right is not hashed again; another users file is") {
  run([](Rig& rig) -> task<void> {
    co_await rig.ask("ann", "secret");
    const Instant began = rig.reactor.now();
    for (int i = 0; i < 1000; ++i) {
      co_await rig.ask("ann", "secret");
    }
    // A thousand hashes would take half a minute.
    CHECK(rig.reactor.now() - began < std::chrono::seconds(15));
    rig.users = users_of("ann:" + sasl::make_hash("other", "0123456789abcdef") + "\n");
    rig.answers.clear();
    co_await rig.ask("ann", "secret");
    CHECK(rig.answers.back() == result<bool>(false));
  });
}

TEST_CASE("the queue is bounded, and whoever has a place is answered") {
  run([](Rig& rig) -> task<void> {
    reactor::TaskGroup group;
    constexpr size_t kAsked = kLoginQueueMax + kLoginThreadsMax + 10;
    // No turn of the loop between: at most a few are taken from the queue meanwhile.
    for (size_t i = 0; i < kAsked; ++i) group.spawn(rig.ask("ann", "wrong"));
    co_await group.join();
    REQUIRE(rig.answers.size() == kAsked);
    const auto sent_away = std::ranges::count_if(rig.answers, [](const result<bool>& answer) {
      return !answer && answer.error().code == Errc::limit;
    });
    CHECK(sent_away > 0);
    CHECK(sent_away <= 10 + static_cast<long>(kLoginThreadsMax));
    CHECK(std::ranges::count(rig.answers, result<bool>(false)) ==
          static_cast<long>(kAsked) - sent_away);
  });
}
