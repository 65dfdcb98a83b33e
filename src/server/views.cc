// Answers to control's questions, gathered from the shards one after the other: each is held only
// as long as one page of its own takes.
#include <algorithm>

#include "mailroot/server/cross.h"
#include "supervisor_state.h"

namespace mailroot::server {

using reactor::task;

namespace {

// Where a listing stands: which server, which shard, where in its queue. Never 0 while there is
// more, so that 0 can mean the end.
struct Cursor {
  uint16_t server = 0;
  uint16_t shard = 0;
  uint32_t entry = 0;

  static Cursor unpack(uint64_t packed) {
    return {static_cast<uint16_t>(packed >> 48), static_cast<uint16_t>(packed >> 32),
            static_cast<uint32_t>(packed)};
  }
  uint64_t pack() const {
    return static_cast<uint64_t>(server) << 48 | static_cast<uint64_t>(shard) << 32 | entry;
  }
};

void fill_in(ServerView& view, const ServerMetrics& figures) {
  view.connections_open = figures.connections_open;
  view.connections = figures.connections;
  view.connections_refused = figures.connections_refused;
  view.messages = figures.messages;
  view.messages_refused = figures.messages_refused;
  view.bytes = figures.bytes;
  view.recipients_refused = figures.recipients_refused;
  view.delivered = figures.delivered;
  view.deferred = figures.deferred;
  view.bounced = figures.bounced;
  view.dropped = figures.dropped;
  view.outbound_open = figures.outbound_open;
  view.queue = figures.queue;
  view.spool = figures.spool;
}

using QueuePageHere = queue::Page<queue::MessageView>;

task<QueuePageHere> list_here(Shard& shard, std::string id, uint32_t cursor, uint32_t max) {
  ServerShard* server = shard.find(id);
  if (server == nullptr) co_return QueuePageHere{};
  co_return server->dispatcher().queue().list(cursor, max);
}

task<std::optional<MessageDetail>> show_here(Shard& shard, std::string server_id, QueueId id) {
  ServerShard* server = shard.find(server_id);
  if (server == nullptr) co_return std::nullopt;
  const auto view = server->dispatcher().queue().show(id);
  if (!view) co_return std::nullopt;
  auto loaded = co_await server->load(id);
  MessageDetail detail;
  detail.message = {server_id, *view};
  if (loaded) {
    detail.envelope = loaded->envelope;
    detail.status = loaded->status;
    detail.times = loaded->times;
    detail.last_reply = loaded->last_reply;
  }
  co_return detail;
}

task<uint64_t> retry_here(Shard& shard, std::string server_id, std::optional<QueueId> id) {
  ServerShard* server = shard.find(server_id);
  if (server == nullptr) co_return 0;
  queue::Queue& queue = server->dispatcher().queue();
  uint64_t count = 0;
  if (id) {
    count = queue.retry_message(*id, server->moment()) ? 1 : 0;
  } else {
    count = queue.counters().messages;
    uint32_t cursor = 0;
    do {
      cursor = queue.retry_all(cursor, server->moment());
    } while (cursor != 0);
  }
  server->dispatcher().pump();
  co_return count;
}

task<deliver::OperatorResult> operate_here(Shard& shard, std::string server_id, QueueId id,
                                           deliver::OperatorAction action) {
  ServerShard* server = shard.find(server_id);
  if (server == nullptr || !server->dispatcher().queue().show(id)) {
    co_return deliver::OperatorResult::no_message;
  }
  const auto result = co_await server->dispatcher().operate(id, action);
  co_return result;
}

}  // namespace

queue::Moment Supervisor::moment() const {
  return {state_->control.now(), state_->control.wall_now()};
}

bool Supervisor::knows(const std::string& server) const { return state_->records.contains(server); }

ServiceView Supervisor::service() const {
  const State_& state = *state_;
  ServiceView view;
  view.version = MAILROOT_VERSION;
  view.config_file = state.snapshot != nullptr ? state.snapshot->file : state.options.config_file;
  view.shards = static_cast<uint32_t>(state.shards.size());
  if (!state.shards.empty()) view.io = state.shards.front()->io();
  view.uptime_seconds =
      std::chrono::duration_cast<std::chrono::seconds>(state.control.now() - state.started_at)
          .count();
  view.last_reload = state.last_reload;
  if (state.snapshot != nullptr) {
    view.built_in_default = state.snapshot->built_in_default;
    view.warnings = state.snapshot->warnings;
  }
  return view;
}

task<void> Supervisor::ask_shards() {
  State_& state = *state_;
  for (size_t i = 0; i < state.shards.size(); ++i) {
    auto work = []() -> task<bool> { co_return true; };
    co_await on_shard<bool>(state.control, *state.shards[i], std::move(work));
  }
}

task<std::vector<ServerView>> Supervisor::servers() {
  State_& state = *state_;
  std::vector<ServerView> views;
  for (const auto& [id, record] : state.records) {
    ServerView view;
    view.id = id;
    view.name = record.settings->name;
    view.state = record.state;
    view.reason = record.reason;
    view.default_domain = record.settings->default_domain;
    view.fqdn = record.settings->fqdn;
    // A server that could not move is still at home where it was.
    view.home_directory =
        record.shared != nullptr ? record.shared->home->path : record.settings->home_directory;
    for (const auto& binding : record.settings->bindings) {
      view.bindings.push_back(binding.to_string());
    }
    for (const auto& [key, holder] : state.table->sockets()) {
      if (holder == id) view.listening.push_back(key.to_string());
    }
    views.push_back(std::move(view));
  }
  // A server may come or go meanwhile: who is in one of the two only has no figures.
  const Metrics figures = co_await metrics();
  for (ServerView& view : views) {
    const auto found = std::ranges::find(figures.servers, view.id, &ServerMetrics::id);
    if (found != figures.servers.end()) fill_in(view, *found);
  }
  co_return views;
}

task<QueuePage> Supervisor::list_queue(std::string server, uint64_t packed, uint32_t max) {
  State_& state = *state_;
  QueuePage page;
  std::vector<std::string> ids;
  for (const auto& [id, record] : state.records) {
    if (server.empty() || server == id) ids.push_back(id);
  }
  Cursor cursor = Cursor::unpack(packed);
  while (cursor.server < ids.size() && page.entries.size() < max) {
    if (cursor.shard >= state.shards.size()) {
      cursor = {static_cast<uint16_t>(cursor.server + 1), 0, 0};
      continue;
    }
    Shard* there = state.shards[cursor.shard].get();
    const std::string id = ids[cursor.server];
    const uint32_t entry = cursor.entry;
    const auto wanted = static_cast<uint32_t>(max - page.entries.size());
    auto work = [there, id, entry, wanted]() -> task<QueuePageHere> {
      return list_here(*there, id, entry, wanted);
    };
    auto part = co_await on_shard<QueuePageHere>(state.control, *there, std::move(work));
    for (queue::MessageView& view : part.entries) page.entries.push_back({id, std::move(view)});
    cursor.entry = part.next_cursor;
    if (part.next_cursor == 0) ++cursor.shard;
  }
  page.next_cursor = cursor.server < ids.size() ? cursor.pack() : 0;
  co_return page;
}

task<std::vector<MessageDetail>> Supervisor::show(QueueId id) {
  State_& state = *state_;
  std::vector<std::string> ids;
  for (const auto& [server, record] : state.records) ids.push_back(server);
  std::vector<MessageDetail> found;
  for (const std::string& server : ids) {
    for (size_t i = 0; i < state.shards.size(); ++i) {
      Shard* there = state.shards[i].get();
      auto work = [there, server, id]() -> task<std::optional<MessageDetail>> {
        return show_here(*there, server, id);
      };
      auto detail =
          co_await on_shard<std::optional<MessageDetail>>(state.control, *there, std::move(work));
      if (detail) found.push_back(std::move(*detail));
    }
  }
  co_return found;
}

task<deliver::OperatorResult> Supervisor::operate(std::string server, QueueId id,
                                                  deliver::OperatorAction action) {
  State_& state = *state_;
  std::vector<std::string> ids;
  for (const auto& [known, record] : state.records) {
    if (server.empty() || server == known) ids.push_back(known);
  }
  for (const std::string& known : ids) {
    for (size_t i = 0; i < state.shards.size(); ++i) {
      Shard* there = state.shards[i].get();
      auto work = [there, known, id, action]() -> task<deliver::OperatorResult> {
        return operate_here(*there, known, id, action);
      };
      const auto result =
          co_await on_shard<deliver::OperatorResult>(state.control, *there, std::move(work));
      if (result != deliver::OperatorResult::no_message) co_return result;
    }
  }
  co_return deliver::OperatorResult::no_message;
}

task<RetryReport> Supervisor::retry(std::string server, std::optional<QueueId> id) {
  State_& state = *state_;
  std::vector<std::string> ids;
  for (const auto& [known, record] : state.records) {
    if (server.empty() || server == known) ids.push_back(known);
  }
  RetryReport report;
  for (const std::string& known : ids) {
    for (size_t i = 0; i < state.shards.size(); ++i) {
      Shard* there = state.shards[i].get();
      auto work = [there, known, id]() -> task<uint64_t> { return retry_here(*there, known, id); };
      const uint64_t count = co_await on_shard<uint64_t>(state.control, *there, std::move(work));
      report.messages += count;
    }
  }
  co_return report;
}

}  // namespace mailroot::server
