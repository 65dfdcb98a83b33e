#include "name_watches.h"

#include <poll.h>

#include <algorithm>
#include <set>
#include <utility>

#include "mailroot/base/assert.h"
#include "mailroot/reactor/limits.h"

namespace mailroot::reactor {

NameWatch::~NameWatch() {
  if (!ids_.empty()) reactor_.name_watches().remove(*this);
}

result<void> NameWatch::add(Descriptor directory) {
  const result<int> id = reactor_.name_watches().add(*this, directory);
  if (!id) return std::unexpected(id.error());
  ids_.push_back(*id);
  return {};
}

std::vector<NameEvent> NameWatch::take() {
  if (!ids_.empty()) reactor_.name_watches().hand_out();
  return std::exchange(events_, {});
}

void NameWatch::give(NameEvent event) {
  if (events_.size() >= kNameEventsMax) event.kind = NameEventKind::lost;
  if (event.kind == NameEventKind::lost) {
    events_.clear();
    event = NameEvent{};
  }
  const bool is_first = events_.empty();
  events_.push_back(std::move(event));
  if (is_first) arrived_.notify_all();
}

NameWatches::NameWatches(Reactor& reactor) : reactor_(reactor) {
  opcode = Opcode::poll;
  flags = POLLIN;
  on_completion = &NameWatches::readable;
}

NameWatches::~NameWatches() {
  MAILROOT_ASSERT(watched_.empty() && !armed_, "a reactor outlives its name watches");
}

result<int> NameWatches::add(NameWatch& watch, Descriptor directory) {
  Backend& backend = reactor_.backend();
  if (instance_ == kNoDescriptor) {
    const result<Descriptor> made = backend.make_name_watch();
    if (!made) return std::unexpected(made.error());
    instance_ = *made;
  }
  const result<int> id = backend.watch_directory(instance_, directory);
  if (!id) {
    if (watched_.empty() && !armed_) reactor_.close(std::exchange(instance_, kNoDescriptor));
    return id;
  }
  // The kernel knows directories, not who asked: the first one has it.
  if (!watched_.try_emplace(*id, &watch, watch.ids_.size()).second) return fail(Errc::busy);
  if (!armed_) arm();
  return id;
}

void NameWatches::remove(NameWatch& watch) {
  for (const int id : watch.ids_) {
    watched_.erase(id);
    reactor_.backend().unwatch_directory(instance_, id);
  }
  watch.ids_.clear();
  if (watched_.empty() && armed_) reactor_.cancel(*this);
}

void NameWatches::arm() {
  armed_ = true;
  descriptor = instance_;
  reactor_.submit(*this);
}

void NameWatches::readable(Operation& operation, const Completion& completion) {
  auto& self = static_cast<NameWatches&>(operation);
  self.armed_ = false;
  if (self.watched_.empty()) {
    self.reactor_.close(std::exchange(self.instance_, kNoDescriptor));
    return;
  }
  if (completion.result >= 0) self.hand_out();
  self.arm();
}

void NameWatches::hand_out() {
  // Bounded: who writes faster than we read is heard of at the next call.
  for (size_t reads = 0; reads < kNameReadsMax; ++reads) {
    read_.clear();
    if (!reactor_.backend().read_name_events(instance_, read_) || read_.empty()) return;
    hand_out_read();
  }
}

void NameWatches::hand_out_read() {
  for (WatchedName& event : read_) {
    if (event.kind == NameEventKind::lost) {
      lose_everything();
      continue;
    }
    const auto found = watched_.find(event.id);
    if (found == watched_.end()) continue;  // removed while it was on its way
    found->second.watch->give({event.kind, found->second.directory, std::move(event.name)});
  }
}

void NameWatches::lose_everything() {
  std::set<NameWatch*> all;
  for (const auto& [id, watched] : watched_) all.insert(watched.watch);
  for (NameWatch* const watch : all) watch->give({});
}

}  // namespace mailroot::reactor
