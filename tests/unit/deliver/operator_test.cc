// What an operator does, and a disk that refuses it.
#include "world.h"

using namespace mailroot;
using namespace mailroot::deliver::test;
using deliver::OperatorAction;
using deliver::OperatorResult;

namespace {

// Mail for a host that is not there: it waits.
reactor::task<QueueId> send_and_wait(World& world) {
  world.use_smart_hosts({"127.0.0.9"});
  const QueueId id = world.send({"ann@far.example", "bob@far.example"}, kContent);
  const bool waits = co_await world.wait_for([&world, id] {
    const auto view = world.dispatcher->queue().show(id);
    return view && view->attempts == 1 && view->state == queue::MessageState::waiting;
  });
  CHECK(waits);
  co_return id;
}

reactor::task<result<void>> answer_with(result<void> value) { co_return value; }

}  // namespace

TEST_CASE("hold and release are stored; what changes nothing says so") {
  run_world([](World& world) -> reactor::task<void> {
    const QueueId id = co_await send_and_wait(world);
    deliver::Dispatcher& dispatcher = *world.dispatcher;
    auto result = co_await dispatcher.operate(id, OperatorAction::release);
    CHECK(result == OperatorResult::no_change);
    result = co_await dispatcher.operate(id, OperatorAction::hold);
    CHECK(result == OperatorResult::done);
    CHECK(world.spool.at(id).status == "HH");
    result = co_await dispatcher.operate(id, OperatorAction::hold);
    CHECK(result == OperatorResult::no_change);
    CHECK(world.log.count("held") == 1);
    world.spool.settle_faults = {spool::CommitResult::refused};
    result = co_await dispatcher.operate(id, OperatorAction::release);
    CHECK(result == OperatorResult::not_stored);
    CHECK(world.dispatcher->queue().counters().held == 0);
  });
}

TEST_CASE("a message that nobody knows, and one that is gone from the spool") {
  run_world([](World& world) -> reactor::task<void> {
    const QueueId id = co_await send_and_wait(world);
    deliver::Dispatcher& dispatcher = *world.dispatcher;
    QueueId unknown = id;
    ++unknown.counter;
    for (const auto action : {OperatorAction::hold, OperatorAction::release, OperatorAction::bounce,
                              OperatorAction::discard}) {
      const auto result = co_await dispatcher.operate(unknown, action);
      CHECK(result == OperatorResult::no_message);
    }
    world.spool.load_faults = {Error{Errc::not_found}};
    auto result = co_await dispatcher.operate(id, OperatorAction::hold);
    CHECK(result == OperatorResult::no_message);
    CHECK(dispatcher.queue().counters().held == 0);
    // Deleting does not read the message.
    result = co_await dispatcher.operate(id, OperatorAction::discard);
    CHECK(result == OperatorResult::done);
    CHECK(world.spool.at(id).done);
    CHECK(dispatcher.queue().counters().messages == 0);
    CHECK(world.spool.reports.empty());
  });
}

TEST_CASE("a message that cannot be copied, read or found is not moved out") {
  run_world([](World& world) -> reactor::task<void> {
    const QueueId id = co_await send_and_wait(world);
    deliver::Dispatcher& dispatcher = *world.dispatcher;
    const deliver::KeepCopy cannot = [](const spool::LoadedMessage&, std::string) {
      return answer_with(fail(Errc::no_space));
    };
    QueueId unknown = id;
    ++unknown.counter;
    auto result = co_await dispatcher.move_out(unknown, cannot);
    CHECK(result == OperatorResult::no_message);
    result = co_await dispatcher.move_out(id, cannot);
    CHECK(result == OperatorResult::unreadable);
    world.spool.load_faults = {Error{Errc::io}};
    result = co_await dispatcher.move_out(id, cannot);
    CHECK(result == OperatorResult::unreadable);
    CHECK(dispatcher.queue().counters().in_transaction == 0);
    CHECK(dispatcher.queue().counters().messages == 1);
    result = co_await dispatcher.operate(id, OperatorAction::hold);
    CHECK(result == OperatorResult::done);
    result = co_await dispatcher.move_out(id, cannot);
    CHECK(result == OperatorResult::unreadable);
    CHECK(dispatcher.queue().counters().held == 1);
    CHECK_FALSE(world.spool.at(id).done);
  });
}

TEST_CASE("a message is settled after its copy, never before") {
  run_world([](World& world) -> reactor::task<void> {
    const QueueId id = co_await send_and_wait(world);
    const auto seen = std::make_shared<std::string>();
    World* const there = &world;
    const deliver::KeepCopy keep = [=](const spool::LoadedMessage& message, std::string status) {
      *seen = status + (there->spool.at(message.id).done ? " settled" : " in the queue");
      return answer_with({});
    };
    const auto result = co_await world.dispatcher->move_out(id, keep);
    CHECK(result == OperatorResult::done);
    CHECK(*seen == "WW in the queue");
    CHECK(world.spool.at(id).done);
    CHECK(world.dispatcher->queue().counters().messages == 0);
    CHECK(world.spool.reports.empty());
  });
}

TEST_CASE("a deletion that the disk refuses is one for the queue") {
  run_world([](World& world) -> reactor::task<void> {
    const QueueId id = co_await send_and_wait(world);
    world.spool.settle_faults = {spool::CommitResult::unknown};
    const auto result = co_await world.dispatcher->operate(id, OperatorAction::discard);
    CHECK(result == OperatorResult::not_stored);
    CHECK(world.spool.settlements.back().status == "BB");
    CHECK(world.dispatcher->queue().counters().messages == 0);
    CHECK(world.log.count("deleted") == 1);
  });
}

TEST_CASE("a bounce that the disk refuses is repeated until it is stored, with one report") {
  run_world([](World& world) -> reactor::task<void> {
    const QueueId id = co_await send_and_wait(world);
    world.spool.settle_faults = {spool::CommitResult::refused, spool::CommitResult::refused};
    const auto result = co_await world.dispatcher->operate(id, OperatorAction::bounce);
    CHECK(result == OperatorResult::done);
    const bool stored = co_await world.wait_for([&world, id] { return world.spool.at(id).done; });
    CHECK(stored);
    CHECK(world.spool.reports.size() == 1);
    CHECK(world.spool.at(id).status == "BB");
    CHECK(world.log.field("bounced", "enhanced") == "5.0.0");
    CHECK(world.log.field("bounced", "reply") == "returned by the administrator");
  });
}

TEST_CASE("a bounce whose message cannot be read now changes nothing") {
  run_world([](World& world) -> reactor::task<void> {
    const QueueId id = co_await send_and_wait(world);
    world.spool.load_faults = {Error{Errc::io}};
    const auto result = co_await world.dispatcher->operate(id, OperatorAction::bounce);
    CHECK(result == OperatorResult::unreadable);
    const auto view = world.dispatcher->queue().show(id);
    CHECK(view->state == queue::MessageState::waiting);
    CHECK(world.spool.at(id).status == "WW");
    CHECK(world.spool.reports.empty());
  });
}

TEST_CASE("while delivery stops nothing is done") {
  run_world([](World& world) -> reactor::task<void> {
    const QueueId id = co_await send_and_wait(world);
    co_await world.dispatcher->stop();
    const auto result = co_await world.dispatcher->operate(id, OperatorAction::discard);
    CHECK(result == OperatorResult::stopping);
    CHECK(world.spool.at(id).status == "WW");
  });
}
