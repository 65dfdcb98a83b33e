// queue move: a message of one virtual server becomes one of another.
#include <fcntl.h>

#include <algorithm>

#include "mailroot/server/cross.h"
#include "moving.h"
#include "supervisor_state.h"

namespace mailroot::server {

using deliver::OperatorResult;
using reactor::task;

namespace {

using Moved = std::expected<OperatorResult, std::string>;

struct Target {
  std::string id, home;
  uint64_t size_limit_bytes = 0;
};

void log_moved(log::Sink& log, const std::string& from, const QueueId& id, const std::string& to) {
  log.write(log::Event(log::Level::info, "moved")
                .with("server", from)
                .with("queue_id", to_string(id))
                .with("target", to)
                .with("file", pickup_name(from, id))
                .with("by", "operator"));
}

// The server may end meanwhile; what is needed of it is asked first.
task<Moved> move_here(Shard& shard, std::string from, QueueId id, Target target) {
  ServerShard* const server = shard.find(from);
  if (server == nullptr) co_return OperatorResult::no_message;
  const auto view = server->dispatcher().queue().show(id);
  if (!view) co_return OperatorResult::no_message;
  if (target.size_limit_bytes != 0 && view->size_bytes > target.size_limit_bytes) {
    co_return std::unexpected("it is larger than messages.size_limit of " + target.id);
  }
  auto opened = co_await open_places(shard.reactor(), server->home().root, target.home);
  if (!opened) co_return std::unexpected(std::move(opened.error()));
  const std::shared_ptr<MovingPlaces> places = std::move(*opened);
  const MovingName name{id, target.id};
  ServerShard* const still = shard.find(from);
  if (still == nullptr) co_return OperatorResult::stopping;
  deliver::KeepCopy keep = [places, name](const spool::LoadedMessage& message, std::string status) {
    return places->write(name, message, std::move(status));
  };
  const auto result = co_await still->dispatcher().move_out(id, std::move(keep));
  // not_stored: the copy stays in Moving; the next start sees which of the two counts.
  if (result == OperatorResult::not_stored) co_return result;
  if (result != OperatorResult::done) {
    co_await places->remove(name);
    co_return result;
  }
  const auto handed_over = co_await places->hand_over(name, pickup_name(from, id));
  if (!handed_over) {
    co_return std::unexpected(
        "it has left the queue, and waits in Moving of its home directory "
        "until the server is started again: " +
        std::string(describe(handed_over.error().code)));
  }
  log_moved(shard.log(), from, id, target.id);
  co_return result;
}

task<std::vector<std::string>> list_moving(reactor::Reactor& reactor, reactor::Descriptor root) {
  std::vector<std::string> entries;
  constexpr uint32_t kOpen = O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW;
  auto directory = co_await reactor.open_at(root, "Moving", kOpen, 0);
  if (!directory) co_return entries;
  for (bool more = true; more;) {
    auto page = co_await reactor.list_page(*directory);
    more = page && !page->at_end;
    if (!more) break;
    for (reactor::DirectoryPage::Entry& entry : page->entries) {
      entries.push_back(std::move(entry.name));
    }
  }
  co_await reactor.close_now(*directory);
  co_return entries;
}

}  // namespace

task<std::expected<OperatorResult, std::string>> Supervisor::move(std::string server, QueueId id,
                                                                  std::string to) {
  State_& state = *state_;
  const auto found = state.records.find(to);
  if (found == state.records.end()) {
    co_return std::unexpected("there is no virtual server \"" + to + "\"");
  }
  if (server == to) co_return std::unexpected<std::string>("it is there already");
  if (!found->second.settings->pickup_enabled) {
    co_return std::unexpected("virtual server " + to + " takes no files (pickup.enabled)");
  }
  const config::VirtualServer& settings = *found->second.settings;
  const Target target{to, settings.home_directory, settings.size_limit_bytes};
  std::vector<std::string> ids;
  for (const auto& [known, record] : state.records) {
    if (known != to && (server.empty() || server == known)) ids.push_back(known);
  }
  for (const std::string& known : ids) {
    for (size_t i = 0; i < state.shards.size(); ++i) {
      Shard* there = state.shards[i].get();
      auto work = [there, known, id, target]() -> task<Moved> {
        return move_here(*there, known, id, target);
      };
      auto moved = co_await on_shard<Moved>(state.control, *there, std::move(work));
      if (!moved || *moved != OperatorResult::no_message) co_return moved;
    }
  }
  co_return OperatorResult::no_message;
}

// After recovery, before the first shard: what was on its way when the process before this one
// ended.
task<void> Supervisor::State_::finish_moves(std::string from, const spool::Home& home) {
  const std::vector<std::string> entries = co_await list_moving(control, home.root);
  for (const std::string& entry : entries) {
    const auto name = MovingName::parse(entry);
    // Hidden ones were not yet whole.
    const bool is_partial = entry.starts_with('.') && MovingName::parse(entry.substr(1));
    bool is_void = is_partial;
    if (name) is_void = co_await spool::is_queued(control, home, name->id);
    if (is_void) {
      co_await control.unlink_at(home.root, "Moving/" + entry, 0);
      continue;
    }
    if (!name) continue;
    // Not in the records: the other may be begun after this one.
    const auto target = std::ranges::find(snapshot->servers, name->to,
                                          [](const auto& server) { return server->id; });
    std::string trouble = "there is no virtual server " + name->to;
    if (target != snapshot->servers.end()) {
      const std::string home_of_target = (*target)->home_directory;
      auto places = co_await open_places(control, home.root, home_of_target);
      trouble = places ? "" : places.error();
      if (places) {
        const auto moved = co_await (*places)->hand_over(*name, pickup_name(from, name->id));
        trouble = moved ? "" : std::string(describe(moved.error().code));
      }
    }
    if (trouble.empty()) {
      log_moved(log, from, name->id, name->to);
    } else {
      log.write(log::Event(log::Level::error, "move_unfinished")
                    .with("server", from)
                    .with("queue_id", to_string(name->id))
                    .with("target", name->to)
                    .with("file", home.path + "/Moving/" + entry)
                    .with("reason", trouble)
                    .with("advice", "move the file into Pickup/new of a virtual server"));
    }
  }
}

}  // namespace mailroot::server
