// Which files are taken when.
#include "mailroot/receive/pickup.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <utility>

#include "limits.h"
#include "pickup_reader.h"

namespace mailroot::receive {

using reactor::Descriptor;
using reactor::FileStatus;
using reactor::NameEvent;
using reactor::NameEventKind;
using reactor::task;

namespace {

constexpr uint32_t kOpenDirectory = O_RDONLY | O_DIRECTORY | O_CLOEXEC;

// In the order in which they are watched.
constexpr std::array kWatched = {PickupPlace::top, PickupPlace::fresh};

}  // namespace

PickupReader::PickupReader(reactor::Reactor& reactor, Service& service, const spool::Home& home)
    : impl_(std::make_unique<Impl>(reactor, service, home)) {}

PickupReader::~PickupReader() = default;

task<void> PickupReader::run(reactor::CancelScope& scope) { co_await impl_->run(scope); }

PickupReader::Impl::Impl(reactor::Reactor& own_reactor, Service& own_service,
                         const spool::Home& own_home)
    : reactor(own_reactor), service(own_service), home(own_home) {}

task<void> PickupReader::Impl::run(reactor::CancelScope& scope) {
  reactor::NameWatch watch(reactor, news);
  watch_directories(watch);
  while (!scope.is_cancelled()) {
    hear(watch);
    const bool takes = may_take() && !is_resting();
    if (takes && (must_scan || reactor.now() >= next_scan)) {
      co_await look_at_everything(watch);
    } else if (takes) {
      co_await look_at_names(watch);
    }
    // What was lost while we looked may belong before what was found: another look first.
    if (takes && (!must_scan || torn_looks >= kPickupTornLooksMax)) start_ready(scope);
    // Beside the files, not between them: a sync waits for the disk.
    const bool sync_is_due = carriers.running() == 0 || reactor.now() - synced_at > kPickupSync;
    if (!dirty.empty() && !is_syncing && sync_is_due) syncing.spawn(run_syncer());
    if (watch.has_events()) continue;
    const Instant wake = next_wake(takes);
    if (wake <= reactor.now()) {
      co_await reactor.yield();
    } else {
      co_await news.wait(reactor, {wake, &scope});
    }
  }
  co_await carriers.join();
  co_await syncing.join();
  if (!dirty.empty()) {
    co_await run_syncer();
  }
}

void PickupReader::Impl::watch_directories(reactor::NameWatch& watch) {
  for (const PickupPlace place : kWatched) {
    const result<void> added = watch.add(directory_of(place));
    if (added) continue;
    service.log().write(log::Event(log::Level::info, "pickup-polled")
                            .with("server", service.settings()->id)
                            .with("reason",
                                  "its files cannot be watched, so it is looked at every "
                                  "second: " +
                                      std::string(describe(added.error().code))));
    return;
  }
  is_watching = true;
}

void PickupReader::Impl::hear(reactor::NameWatch& watch) {
  for (NameEvent& event : watch.take()) {
    if (event.kind == NameEventKind::lost) {
      candidates.forget_writers();
      must_scan = true;
      // A leading dot is how programs hide files they have not finished.
    } else if (!event.name.starts_with('.')) {
      candidates.heard(event.kind, {kWatched[event.directory], std::move(event.name)});
    }
  }
}

bool PickupReader::Impl::may_take() const {
  return service.settings()->pickup_enabled && !service.spool().refusal() &&
         !service.slabs().is_high() && held.size() < kPickupHeldMax;
}

Instant PickupReader::Impl::next_wake(bool takes) const {
  const Instant now = reactor.now();
  if (!takes) {
    if (is_resting()) return rest_until;
    return now + (service.slabs().is_high() ? Duration(kMemoryPause) : Duration(kPickupInterval));
  }
  if (candidates.has_ready()) {
    // A carrier that ends is news; so is none, for then there is a place.
    return carriers.running() < kPickupInFlightMax ? now : kNever;
  }
  if (must_scan) return now;
  return std::min(next_scan, candidates.next_look());
}

Descriptor PickupReader::Impl::directory_of(PickupPlace place) const {
  switch (place) {
    case PickupPlace::current:
      return home.pickup.current;
    case PickupPlace::fresh:
      return home.pickup.fresh;
    case PickupPlace::top:
      break;
  }
  return home.pickup.top;
}

task<void> PickupReader::Impl::look_at_everything(reactor::NameWatch& watch) {
  const Instant began = reactor.now();
  must_scan = false;
  candidates.begin_scan();
  result<void> outcome{};
  for (const PickupPlace place : {PickupPlace::current, PickupPlace::fresh, PickupPlace::top}) {
    auto looked = co_await look_in(place);
    if (!looked) outcome = looked;
  }
  if (outcome) {
    if (!candidates.was_full()) candidates.end_scan();
    is_scan_in_trouble = false;
  } else if (!std::exchange(is_scan_in_trouble, true)) {
    tell("", "the directory cannot be read: " + std::string(describe(outcome.error().code)), true);
  }
  const Instant ended = reactor.now();
  const Duration interval = is_watching ? Duration(kPickupScanInterval) : Duration(kPickupInterval);
  next_scan = ended + std::max(interval, (ended - began) * kPickupScanRest);
  // A file that came while we looked may have been passed by and its successor seen.
  hear(watch);
  torn_looks = must_scan ? torn_looks + 1 : 0;
  for (const PickupKey& key : candidates.to_look(reactor.now(), kPickupNamesMax)) {
    co_await look_at(key);
  }
}

task<result<void>> PickupReader::Impl::look_in(PickupPlace place) {
  // Opened anew each time: the position in the directory is this look's own.
  auto directory = co_await reactor.open_at(directory_of(place), ".", kOpenDirectory, 0);
  if (!directory) co_return std::unexpected(directory.error());
  result<void> outcome{};
  for (bool more = true; more;) {
    auto page = co_await reactor.list_page(*directory);
    if (!page) outcome = std::unexpected(page.error());
    more = page && !page->at_end && !candidates.was_full();
    if (!more) break;
    for (const reactor::DirectoryPage::Entry& entry : page->entries) {
      if (entry.name.starts_with('.') || S_ISDIR(entry.status.mode)) continue;
      if (place == PickupPlace::current) {
        if (in_hand.contains(entry.name)) continue;
        if (held.contains(entry.name)) {
          co_await remove_held(entry.name, entry.status.inode);
          continue;
        }
      }
      candidates.looked({place, entry.name}, entry.status, reactor.now(), reactor.wall_now());
    }
  }
  co_await reactor.close_now(*directory);
  co_return outcome;
}

// The names of which something was heard, and those that may be complete by now.
task<void> PickupReader::Impl::look_at_names(reactor::NameWatch& watch) {
  const std::vector<PickupKey> keys = candidates.to_look(reactor.now(), kPickupSingleLooksMax + 1);
  if (keys.size() > kPickupSingleLooksMax) {
    co_await look_at_everything(watch);
    co_return;
  }
  for (const PickupKey& key : keys) {
    co_await look_at(key);
  }
}

task<void> PickupReader::Impl::look_at(PickupKey key) {
  auto status = co_await reactor.stat_at(directory_of(key.place), key.entry);
  std::optional<FileStatus> found;
  if (status) found = *status;
  candidates.looked(std::move(key), found, reactor.now(), reactor.wall_now());
}

task<void> PickupReader::Impl::remove_held(std::string entry, uint64_t inode) {
  const Held known = held[entry];
  if (known.inode != inode) {
    held.erase(entry);  // an administrator put another file there
    must_scan = true;
  } else if (known.taken) {
    co_await remove(std::move(entry), inode);
  }
}

void PickupReader::Impl::start_ready(reactor::CancelScope& scope) {
  while (candidates.has_ready() && carriers.running() < kPickupInFlightMax && may_take()) {
    PickupFound file = candidates.take();
    carriers.spawn(carry(std::move(file), next_turn++, scope));
  }
  // Those for which there was no room.
  if (!candidates.has_ready() && candidates.was_full()) must_scan = true;
}

// Until then a crash of the machine may bring a sent file back.
task<void> PickupReader::Impl::run_syncer() {
  is_syncing = true;
  for (const Descriptor directory : std::exchange(dirty, {})) {
    auto synced = co_await reactor.sync(directory, reactor::SyncKind::data_and_metadata);
    if (synced) continue;
    rest("", "the directory cannot be synced: " + std::string(describe(synced.error().code)));
  }
  is_syncing = false;
  synced_at = reactor.now();
  if (!dirty.empty()) news.notify_all();
}

}  // namespace mailroot::receive
