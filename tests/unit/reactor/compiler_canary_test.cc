// The patterns of coroutine code that the house dialect allows, run so that a compiler which breaks
// one is noticed: each counts the lives of its objects, which is what broken compilers get wrong.
#include <functional>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "worlds.h"

namespace mailroot::reactor::test {
namespace {

// Lives that have begun and not ended; a double destruction makes it negative.
int alive = 0;

struct Counted {
  Counted() { ++alive; }
  explicit Counted(std::string own_text) : text(std::move(own_text)) { ++alive; }
  Counted(const Counted& other) : text(other.text) { ++alive; }
  Counted(Counted&& other) noexcept : text(std::move(other.text)) { ++alive; }
  Counted& operator=(const Counted&) = default;
  Counted& operator=(Counted&&) = default;
  ~Counted() { --alive; }
  std::string text = "a text that is too long for the small string optimisation";
};

task<Counted> at_once(Counted value) { co_return value; }

task<Counted> later(Reactor& reactor, Counted value) {
  co_await reactor.yield();
  co_return value;
}

task<int> number(Reactor& reactor, int value) {
  co_await reactor.yield();
  co_return value;
}

task<bool> truth(Reactor& reactor, bool value) {
  co_await reactor.yield();
  co_return value;
}

task<size_t> by_reference(Reactor& reactor, const Counted& value) {
  co_await reactor.yield();
  co_return value.text.size();
}

task<std::unique_ptr<Counted>> owned(Reactor& reactor) {
  co_await reactor.yield();
  co_return std::make_unique<Counted>();
}

task<std::tuple<int, Counted>> both(Reactor& reactor) {
  co_await reactor.yield();
  Counted second("second");
  co_return std::tuple<int, Counted>(1, second);
}

task<void> nested(Reactor& reactor, int depth) {
  Counted here;
  if (depth == 0) {
    co_await reactor.yield();
    co_return;
  }
  co_await nested(reactor, depth - 1);
  CHECK(here.text.size() > 20);
}

task<void> values(Reactor& reactor) {
  const Counted immediate = co_await at_once(Counted("x"));
  CHECK(immediate.text == "x");
  const Counted delayed = co_await later(reactor, Counted("a temporary as argument"));
  CHECK(delayed.text == "a temporary as argument");
  Counted named("named");
  const Counted moved = co_await later(reactor, std::move(named));
  CHECK(moved.text == "named");
  const size_t size = co_await by_reference(reactor, Counted("12345"));
  CHECK(size == 5);
  const std::unique_ptr<Counted> pointer = co_await owned(reactor);
  CHECK(pointer->text.size() > 20);
  const std::tuple<int, Counted> pair = co_await both(reactor);
  const auto& [first, second] = pair;
  CHECK(first == 1);
  CHECK(second.text == "second");
}

task<void> conditions(Reactor& reactor) {
  const bool yes = co_await truth(reactor, true);
  int turns = 0;
  if (yes) ++turns;
  bool again = true;
  while (again) {
    ++turns;
    again = co_await truth(reactor, turns < 4);
  }
  CHECK(turns == 4);
  const int which = co_await number(reactor, 2);
  switch (which) {
    case 2: {
      const Counted inside = co_await later(reactor, Counted("in a case"));
      CHECK(inside.text == "in a case");
      break;
    }
    default:
      CHECK(false);
  }
  int sum = 0;
  for (const int value : std::vector<int>{1, 2, 3}) {
    const int same = co_await number(reactor, value);
    sum += same;
  }
  CHECK(sum == 6);
}

task<void> task_in_two_statements(Reactor& reactor) {
  task<Counted> first = later(reactor, Counted("first"));
  task<Counted> second = later(reactor, Counted("second"));
  const Counted b = co_await second;
  const Counted a = co_await first;
  CHECK(a.text + b.text == "firstsecond");
  // Never started: dropped with its arguments.
  const task<Counted> dropped = later(reactor, Counted("dropped"));
  CHECK(static_cast<bool>(dropped));
}

task<void> lambdas(Reactor& reactor) {
  const auto without_captures = [](Reactor& inner, Counted value) -> task<size_t> {
    co_await inner.yield();
    co_return value.text.size();
  };
  const size_t size = co_await without_captures(reactor, Counted("1234"));
  CHECK(size == 4);
  Counted captured("captured");
  std::function<size_t()> plain = [captured] { return captured.text.size(); };
  const int one = co_await number(reactor, 1);
  CHECK(one == 1);
  CHECK(plain() == 8);
}

task<void> optionals(Reactor& reactor) {
  std::optional<Counted> maybe;
  maybe = co_await later(reactor, Counted("assigned"));
  CHECK(maybe.has_value());
  CHECK(maybe->text == "assigned");
  std::vector<Counted> list;
  for (int i = 0; i < 3; ++i) {
    Counted next = co_await later(reactor, Counted(std::to_string(i)));
    list.push_back(std::move(next));
  }
  CHECK(list.back().text == "2");
}

task<void> many_immediate(Reactor&) {
  // Symmetric transfer would overflow the stack here in unoptimised and sanitised builds.
  size_t total = 0;
  for (int i = 0; i < 300000; ++i) {
    const Counted value = co_await at_once(Counted("short"));
    total += value.text.size();
  }
  CHECK(total == 1500000);
}

task<void> many_delayed(Reactor& reactor) {
  int total = 0;
  for (int i = 0; i < 100000; ++i) {
    const int value = co_await number(reactor, 1);
    total += value;
  }
  CHECK(total == 100000);
}

task<void> deep(Reactor& reactor) { co_await nested(reactor, 500); }

void run_counted(Body body) {
  alive = 0;
  run_in<EpollWorld>(body);
  CHECK(alive == 0);
}

TEST_CASE("canary: values, temporaries, moves") { run_counted(values); }
TEST_CASE("canary: conditions and loops") { run_counted(conditions); }
TEST_CASE("canary: a task built first and awaited later") { run_counted(task_in_two_statements); }
TEST_CASE("canary: lambdas") { run_counted(lambdas); }
TEST_CASE("canary: assignment from co_await") { run_counted(optionals); }
TEST_CASE("canary: no stack growth over awaits that do not wait") { run_counted(many_immediate); }
TEST_CASE("canary: no stack growth over awaits that wait") { run_counted(many_delayed); }
TEST_CASE("canary: deep chains unwind through the run queue") { run_counted(deep); }

}  // namespace
}  // namespace mailroot::reactor::test
