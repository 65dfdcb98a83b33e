// libunbound's pluggable event base on our reactor: its sockets are polled and its timers run by
// the shard that asks, so no thread and no pipe is needed.
#pragma once

#include <unbound-event.h>

#include <memory>

#include "mailroot/reactor/reactor.h"

namespace mailroot::dns {

// Must outlive the ub_ctx made from it. Poll operations that are being cancelled when libunbound
// frees its event live on until their completion, on their own.
class EventBase {
 public:
  explicit EventBase(reactor::Reactor& reactor);
  ~EventBase();
  EventBase(const EventBase&) = delete;
  EventBase& operator=(const EventBase&) = delete;
  ub_event_base* handle();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace mailroot::dns
