#include "mailroot/reactor/reactor.h"

#include <utility>

#include "mailbox.h"
#include "name_watches.h"
#include "run_queue.h"

namespace mailroot::reactor {

namespace {

constinit thread_local Reactor* current_reactor = nullptr;

// Makes a reactor the current one; the simulator takes turns with several on one thread.
class CurrentGuard {
 public:
  explicit CurrentGuard(Reactor* reactor) : previous_(std::exchange(current_reactor, reactor)) {}
  ~CurrentGuard() { current_reactor = previous_; }
  CurrentGuard(const CurrentGuard&) = delete;
  CurrentGuard& operator=(const CurrentGuard&) = delete;

 private:
  Reactor* previous_;
};

constexpr size_t kIdleCloses = 64;  // kept for reuse

}  // namespace

struct Reactor::Impl {
  // A close that nobody waits for.
  struct BackgroundClose : Operation {
    Impl* owner = nullptr;
  };

  Impl(const ReactorLimits& reactor_limits, Instant start)
      : limits(reactor_limits), mailbox(reactor_limits.mailbox_entries), wheel(kTimerTick, start) {}

  std::unique_ptr<BackgroundClose> take_close();
  static void close_completed(Operation& operation, const Completion& completion);
  size_t run_ready();
  size_t run_posted();
  size_t deliver();

  ReactorLimits limits;
  RunQueue ready;
  Mailbox mailbox;
  std::vector<Mailbox::Work> posted;
  TimerWheel wheel;
  std::vector<Completion> completions;
  std::vector<std::unique_ptr<BackgroundClose>> idle_closes;
  size_t background_closes = 0;
  size_t in_flight = 0;
  IntrusiveList<Crowded> crowded;
  size_t spilled_bytes = 0;
  std::unique_ptr<NameWatches> name_watches;
  bool stopping = false;
};

std::unique_ptr<Reactor::Impl::BackgroundClose> Reactor::Impl::take_close() {
  if (idle_closes.empty()) return std::make_unique<BackgroundClose>();
  std::unique_ptr<BackgroundClose> close = std::move(idle_closes.back());
  idle_closes.pop_back();
  return close;
}

void Reactor::Impl::close_completed(Operation& operation, const Completion&) {
  std::unique_ptr<BackgroundClose> close(static_cast<BackgroundClose*>(&operation));
  Impl& owner = *close->owner;
  --owner.background_closes;
  if (owner.idle_closes.size() < kIdleCloses) owner.idle_closes.push_back(std::move(close));
}

size_t Reactor::Impl::run_ready() {
  size_t count = 0;
  while (!ready.empty() && count < limits.resumptions_per_turn) {
    ++count;
    ready.pop().resume();
  }
  return count;
}

size_t Reactor::Impl::run_posted() {
  mailbox.drain(posted);
  const size_t count = posted.size();
  for (Mailbox::Work& work : posted) work();
  posted.clear();
  return count;
}

size_t Reactor::Impl::deliver() {
  const size_t count = completions.size();
  for (const Completion& completion : completions) {
    if (!completion.more) --in_flight;
    completion.operation->on_completion(*completion.operation, completion);
  }
  completions.clear();
  return count;
}

Reactor::Reactor(std::unique_ptr<Backend> backend, const ReactorLimits& limits)
    : backend_(std::move(backend)), impl_(std::make_unique<Impl>(limits, backend_->now())) {}

Reactor::~Reactor() {
  MAILROOT_ASSERT(impl_->ready.empty(), "a reactor outlives its coroutines");
  MAILROOT_ASSERT(impl_->in_flight == impl_->background_closes,
                  "a reactor outlives the operations of its coroutines");
  // First: its helper threads may still work on operations that impl_ owns. What it never reported
  // as completed is given back to nobody, and dies with us.
  backend_.reset();
}

Reactor* Reactor::current() { return current_reactor; }

void Reactor::run() {
  while (!impl_->stopping) turn(true);
  while (!impl_->ready.empty() || impl_->in_flight != 0) turn(true);
}

bool Reactor::turn(bool may_sleep) {
  const CurrentGuard guard(this);
  Impl& impl = *impl_;
  size_t done = impl.run_ready();
  done += impl.run_posted();
  impl.wheel.advance(now());
  while (!impl.crowded.empty()) impl.crowded.pop_front().relieve();
  const bool ending = impl.stopping && impl.in_flight == 0;
  const bool idle = may_sleep && impl.ready.empty() && !ending;
  if (idle && impl.mailbox.may_sleep()) {
    backend_->wait(impl.wheel.next_deadline(), impl.completions);
  } else {
    backend_->wait(Instant::min(), impl.completions);
  }
  impl.mailbox.awake();
  return impl.deliver() + done != 0 || !impl.ready.empty();
}

void Reactor::stop() { impl_->stopping = true; }

Instant Reactor::next_deadline() const { return impl_->wheel.next_deadline(); }

bool Reactor::post(std::move_only_function<void()> work) {
  switch (impl_->mailbox.post(std::move(work))) {
    case Mailbox::Posted::full:
      return false;
    case Mailbox::Posted::quiet:
      return true;
    case Mailbox::Posted::wake_owner:
      backend_->wake();
      return true;
  }
  return false;
}

void Reactor::resume_later(std::coroutine_handle<> handle) { impl_->ready.push(handle); }

void Reactor::add_timer(Timer& timer, Instant when) { impl_->wheel.add(timer, when); }

void Reactor::cancel_timer(Timer& timer) { impl_->wheel.cancel(timer); }

void Reactor::submit(Operation& operation) {
  ++impl_->in_flight;
  backend_->submit(operation);
}

void Reactor::relieve_later(Crowded& crowded) {
  if (!crowded.is_linked()) impl_->crowded.push_back(crowded);
}

NameWatches& Reactor::name_watches() {
  if (impl_->name_watches == nullptr) impl_->name_watches = std::make_unique<NameWatches>(*this);
  return *impl_->name_watches;
}

size_t& Reactor::spilled_bytes() { return impl_->spilled_bytes; }

void Reactor::close(Descriptor descriptor) {
  Impl::BackgroundClose& operation = *impl_->take_close().release();
  operation.opcode = Opcode::close;
  operation.descriptor = descriptor;
  operation.owner = impl_.get();
  operation.on_completion = &Impl::close_completed;
  ++impl_->background_closes;
  submit(operation);
}

void resume_later(std::coroutine_handle<> handle) {
  MAILROOT_ASSERT(current_reactor != nullptr, "coroutines run inside Reactor::turn()");
  current_reactor->resume_later(handle);
}

}  // namespace mailroot::reactor
