// What an operator does to one message: hold, release, bounce, discard.
#include <memory>
#include <utility>

#include "mailroot/base/assert.h"
#include "work.h"

namespace mailroot::deliver {
namespace {

// What the asking coroutine waits for: it may outlive the dispatcher, as `work` may not.
struct Answer {
  reactor::Event given;
  std::optional<OperatorResult> result;
};

// Stores the letters as the queue has them now.
reactor::task<OperatorResult> store_letters(Engine& engine, QueueId id,
                                            const spool::MessageTimes& times) {
  const auto state = engine.queue.stored_state(id, engine.moment());
  if (!state) co_return OperatorResult::no_message;
  spool::Settlement settlement;
  settlement.id = id;
  settlement.status = state->status;
  settlement.times = times;
  settlement.times.next_attempt = state->next_attempt;
  std::vector<spool::Spool::Caused> nothing;
  const spool::CommitResult stored =
      co_await engine.around.spool.settle(std::move(settlement), std::move(nothing));
  const bool durable = stored == spool::CommitResult::durable;
  co_return durable ? OperatorResult::done : OperatorResult::not_stored;
}

bool is_in_delivery(const Engine& engine, const QueueId& id) {
  const auto view = engine.queue.show(id);
  return view && view->state == queue::MessageState::in_transaction;
}

OperatorResult why_not_loaded(const Error& error) {
  const bool gone = error.code == Errc::not_found || error.code == Errc::corrupt;
  return gone ? OperatorResult::no_message : OperatorResult::unreadable;
}

reactor::task<OperatorResult> hold(Engine& engine, QueueId id, bool held) {
  auto message = co_await engine.around.spool.load(id);
  if (!message) co_return why_not_loaded(message.error());
  co_await take_turn(engine, id);
  OperatorResult result = OperatorResult::no_change;
  if (is_in_delivery(engine, id)) {
    result = OperatorResult::in_delivery;
  } else if (held ? engine.queue.hold_message(id)
                  : engine.queue.release_message(id, engine.moment())) {
    result = co_await store_letters(engine, id, message->times);
  } else if (!engine.queue.show(id)) {
    result = OperatorResult::no_message;
  }
  engine.turns.give(id);
  co_return result;
}

smtp::DeliveryOutcome returned() {
  return make_outcome(smtp::Disposition::failed, smtp::Stage::local, "5.0.0",
                      "returned by the administrator");
}

reactor::task<void> bounce_part(Engine& engine, queue::Assignment assignment) {
  Work work;
  auto message = co_await engine.around.spool.load(assignment.id);
  if (!message) {
    engine.queue.settle(assignment, {}, queue::Verdict::unknown, "", engine.moment());
    co_return;
  }
  work.recipients = assignment.recipients;
  work.assignment = std::move(assignment);
  work.message = std::move(*message);
  work.settings = engine.settings;
  work.router = engine.router;
  work.began = engine.reactor().now();
  work.outcomes.resize(work.recipients.size());
  work.set_all_open(returned());
  co_await settle_work(engine, std::move(work));
}

reactor::task<OperatorResult> discard(Engine& engine, QueueId id,
                                      const std::vector<queue::Assignment>& parts) {
  // Not loaded: what cannot be read can be deleted. A letter for each recipient, as the spool keeps
  // them should the disk refuse this.
  const auto state = engine.queue.stored_state(id, engine.moment());
  MAILROOT_ASSERT(state.has_value(), "what is in hand is in the queue");
  spool::Settlement settlement;
  settlement.id = id;
  settlement.status = state->status;
  for (const queue::Assignment& part : parts) {
    for (const uint32_t recipient : part.recipients) {
      if (recipient < settlement.status.size()) settlement.status[recipient] = queue::kBounced;
    }
  }
  settlement.done = true;
  std::vector<spool::Spool::Caused> nothing;
  co_await take_turn(engine, id);
  const spool::CommitResult stored =
      co_await engine.around.spool.settle(std::move(settlement), std::move(nothing));
  engine.turns.give(id);
  for (const queue::Assignment& part : parts) engine.queue.forget(part);
  const bool durable = stored == spool::CommitResult::durable;
  co_return durable ? OperatorResult::done : OperatorResult::not_stored;
}

// bounce and discard: everything of the message is in our hands first.
reactor::task<OperatorResult> end(Engine& engine, QueueId id, OperatorAction action) {
  if (action == OperatorAction::bounce) {
    const auto message = co_await engine.around.spool.load(id);
    if (!message) co_return why_not_loaded(message.error());
  }
  std::vector<queue::Assignment> parts = engine.queue.take_message(id);
  if (parts.empty()) {
    co_return is_in_delivery(engine, id) ? OperatorResult::in_delivery : OperatorResult::no_message;
  }
  if (action == OperatorAction::discard) {
    const OperatorResult result = co_await discard(engine, id, parts);
    co_return result;
  }
  for (queue::Assignment& part : parts) engine.tasks.spawn(bounce_part(engine, std::move(part)));
  co_return OperatorResult::done;
}

std::string_view past(OperatorAction action) {
  switch (action) {
    case OperatorAction::hold:
      return "held";
    case OperatorAction::release:
      return "released";
    case OperatorAction::bounce:
      return "returned";
    case OperatorAction::discard:
      break;
  }
  return "deleted";
}

reactor::task<void> work(Engine& engine, QueueId id, OperatorAction action,
                         std::shared_ptr<Answer> answer) {
  const bool holds = action == OperatorAction::hold || action == OperatorAction::release;
  if (holds) {
    answer->result = co_await hold(engine, id, action == OperatorAction::hold);
  } else {
    answer->result = co_await end(engine, id, action);
  }
  if (answer->result == OperatorResult::done || answer->result == OperatorResult::not_stored) {
    log::Event event = engine.event(log::Level::info, past(action), id);
    event.with("by", "operator");
    engine.around.log.write(std::move(event));
    engine.pump();
  }
  answer->given.notify_all();
}

void give_back(Engine& engine, const std::vector<queue::Assignment>& parts, bool was_held) {
  for (const queue::Assignment& part : parts) {
    engine.queue.settle(part, {}, queue::Verdict::unknown, "", engine.moment());
  }
  // The disk still has its letters.
  if (was_held && !parts.empty()) engine.queue.hold_message(parts.front().id);
}

// Everything of the message is in our hands before it is copied: its letters stay what they are.
reactor::task<OperatorResult> keep_and_discard(Engine& engine, QueueId id, const KeepCopy& keep) {
  const auto view = engine.queue.show(id);
  const bool was_held = view && view->state == queue::MessageState::held;
  const std::vector<queue::Assignment> parts = engine.queue.take_message(id);
  if (parts.empty()) {
    co_return is_in_delivery(engine, id) ? OperatorResult::in_delivery : OperatorResult::no_message;
  }
  auto message = co_await engine.around.spool.load(id);
  const auto state = engine.queue.stored_state(id, engine.moment());
  if (!message || !state) {
    give_back(engine, parts, was_held);
    co_return message ? OperatorResult::no_message : why_not_loaded(message.error());
  }
  const auto kept = co_await keep(*message, state->status);
  if (!kept) {
    give_back(engine, parts, was_held);
    co_return OperatorResult::unreadable;
  }
  const OperatorResult result = co_await discard(engine, id, parts);
  co_return result;
}

reactor::task<void> move_work(Engine& engine, QueueId id, std::shared_ptr<const KeepCopy> keep,
                              std::shared_ptr<Answer> answer) {
  answer->result = co_await keep_and_discard(engine, id, *keep);
  engine.pump();
  answer->given.notify_all();
}

}  // namespace

reactor::task<OperatorResult> Dispatcher::move_out(QueueId id, KeepCopy keep) {
  Engine& engine = *impl_;
  if (engine.stopping) co_return OperatorResult::stopping;
  reactor::Reactor& reactor = engine.reactor();
  const auto answer = std::make_shared<Answer>();
  const auto shared_keep = std::make_shared<const KeepCopy>(std::move(keep));
  engine.tasks.spawn(move_work(engine, id, shared_keep, answer));
  while (!answer->result) {
    co_await answer->given.wait(reactor, reactor::Wait{});
  }
  co_return *answer->result;
}

reactor::task<OperatorResult> Dispatcher::operate(QueueId id, OperatorAction action) {
  Engine& engine = *impl_;
  if (engine.stopping) co_return OperatorResult::stopping;
  reactor::Reactor& reactor = engine.reactor();
  const auto answer = std::make_shared<Answer>();
  engine.tasks.spawn(work(engine, id, action, answer));
  while (!answer->result) {
    co_await answer->given.wait(reactor, reactor::Wait{});
  }
  co_return *answer->result;
}

}  // namespace mailroot::deliver
