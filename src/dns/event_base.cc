#include "event_base.h"

#include <poll.h>
#include <sys/time.h>

#include <cerrno>

namespace mailroot::dns {

namespace {

using reactor::Completion;
using reactor::Operation;
using reactor::Reactor;

struct ReactorEvent;

// One poll in flight. Owned by nobody: deletes itself at its completion, whether or not the event
// that wanted it still exists.
struct Watch : Operation {
  ReactorEvent* event = nullptr;
};

using Callback = void (*)(int, short, void*);

// What libunbound holds as ub_event.
struct ReactorEvent final : ub_event, reactor::Timer {
  Reactor* reactor = nullptr;
  int descriptor = -1;
  short bits = 0;
  Callback callback = nullptr;
  void* argument = nullptr;
  Watch* watch = nullptr;

  void start_poll();
  void stop_poll();
  void on_poll(uint32_t ready);
  void on_timer() override { callback(descriptor, UB_EV_TIMEOUT, argument); }
};

ReactorEvent& from_handle(ub_event* handle) { return *static_cast<ReactorEvent*>(handle); }

void on_watch_completed(Operation& operation, const Completion& completion) {
  auto* watch = static_cast<Watch*>(&operation);
  ReactorEvent* event = watch->event;
  delete watch;
  if (event == nullptr) return;
  event->watch = nullptr;
  // A failed poll is reported as ready: libunbound then meets the error at its own read or write.
  event->on_poll(completion.result >= 0 ? static_cast<uint32_t>(completion.result)
                                        : uint32_t{POLLERR});
}

void ReactorEvent::start_poll() {
  uint32_t events = 0;
  if (bits & UB_EV_READ) events |= POLLIN;
  if (bits & UB_EV_WRITE) events |= POLLOUT;
  if (events == 0 || descriptor < 0) return;
  watch = new Watch{};
  watch->event = this;
  watch->opcode = reactor::Opcode::poll;
  watch->descriptor = descriptor;
  watch->flags = events;
  watch->on_completion = on_watch_completed;
  reactor->submit(*watch);
}

void ReactorEvent::stop_poll() {
  if (watch == nullptr) return;
  watch->event = nullptr;
  reactor->backend().cancel(*watch);
  watch = nullptr;
}

void ReactorEvent::on_poll(uint32_t ready) {
  short fired = 0;
  const bool trouble = (ready & (POLLERR | POLLHUP)) != 0;
  if ((ready & POLLIN) != 0 || trouble) fired |= UB_EV_READ;
  if ((ready & POLLOUT) != 0 || trouble) fired |= UB_EV_WRITE;
  fired = static_cast<short>(fired & bits);
  // Armed again first: the callback may delete this event.
  if (bits & UB_EV_PERSIST) start_poll();
  if (fired != 0) callback(descriptor, fired, argument);
}

void set_timer(ReactorEvent& event, const timeval& after) {
  const auto delay = std::chrono::seconds(after.tv_sec) + std::chrono::microseconds(after.tv_usec);
  event.reactor->cancel_timer(event);
  event.reactor->add_timer(event, event.reactor->now() + delay);
}

void stop(ReactorEvent& event) {
  event.stop_poll();
  event.reactor->cancel_timer(event);
}

void add_bits(ub_event* handle, short bits) {
  ReactorEvent& event = from_handle(handle);
  event.bits = static_cast<short>(event.bits | bits);
}

void delete_bits(ub_event* handle, short bits) {
  ReactorEvent& event = from_handle(handle);
  event.bits = static_cast<short>(event.bits & ~bits);
}

void set_descriptor(ub_event* handle, int descriptor) {
  from_handle(handle).descriptor = descriptor;
}

void free_event(ub_event* handle) {
  ReactorEvent& event = from_handle(handle);
  stop(event);
  delete &event;
}

int add_event(ub_event* handle, timeval* timeout) {
  ReactorEvent& event = from_handle(handle);
  stop(event);
  event.start_poll();
  if (timeout != nullptr && (event.bits & UB_EV_TIMEOUT)) set_timer(event, *timeout);
  return 0;
}

int delete_event(ub_event* handle) {
  stop(from_handle(handle));
  return 0;
}

int add_timer(ub_event* handle, ub_event_base*, Callback callback, void* argument,
              timeval* timeout) {
  ReactorEvent& event = from_handle(handle);
  event.callback = callback;
  event.argument = argument;
  set_timer(event, *timeout);
  return 0;
}

int delete_timer(ub_event* handle) {
  ReactorEvent& event = from_handle(handle);
  event.reactor->cancel_timer(event);
  return 0;
}

int refuse_signal(ub_event*, timeval*) { return -1; }
int refuse_signal_deletion(ub_event*) { return -1; }
void ignore_event(ub_event*) {}
void ignore_block(ub_event*, int) {}

ub_event_vmt event_methods = {
    add_bits,     delete_bits,  set_descriptor, free_event,    add_event,
    delete_event, add_timer,    delete_timer,   refuse_signal, refuse_signal_deletion,
    ignore_event, ignore_block,
};

}  // namespace

struct EventBase::Impl : ub_event_base {
  Impl() : ub_event_base{} {}

  ub_event_base_vmt methods{};  // what `vmt` points to
  Reactor* reactor = nullptr;

  static ub_event* new_event(ub_event_base* base, int descriptor, short bits, Callback callback,
                             void* argument) {
    auto* event = new ReactorEvent();
    event->magic = UB_EVENT_MAGIC;
    event->vmt = &event_methods;
    event->reactor = static_cast<Impl*>(base)->reactor;
    event->descriptor = descriptor;
    event->bits = bits;
    event->callback = callback;
    event->argument = argument;
    return event;
  }
};

EventBase::EventBase(Reactor& reactor) : impl_(std::make_unique<Impl>()) {
  impl_->reactor = &reactor;
  impl_->methods.free = [](ub_event_base*) {};
  impl_->methods.dispatch = [](ub_event_base*) { return 0; };
  impl_->methods.loopexit = [](ub_event_base*, timeval*) { return 0; };
  impl_->methods.new_event = Impl::new_event;
  impl_->methods.new_signal = [](ub_event_base*, int, Callback, void*) -> ub_event* {
    return nullptr;
  };
  impl_->methods.winsock_register_wsaevent = [](ub_event_base*, void*, Callback,
                                                void*) -> ub_event* { return nullptr; };
  impl_->magic = UB_EVENT_MAGIC;
  impl_->vmt = &impl_->methods;
}

EventBase::~EventBase() = default;

ub_event_base* EventBase::handle() { return impl_.get(); }

}  // namespace mailroot::dns
