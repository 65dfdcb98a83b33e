// Supervisor: the life of the virtual servers. It loads the configuration, plans, prepares,
// commits and retires (architecture 12), and answers control's questions by asking the shards.
// Control thread only; its operations take turns, in the order in which they were asked for.
#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "mailroot/base/histogram.h"
#include "mailroot/base/log.h"
#include "mailroot/base/protocol_log.h"
#include "mailroot/base/queue_id.h"
#include "mailroot/config/binding_table.h"
#include "mailroot/config/describe.h"
#include "mailroot/config/snapshot.h"
#include "mailroot/deliver/dispatcher.h"
#include "mailroot/deliver/operator.h"
#include "mailroot/queue/queue.h"
#include "mailroot/reactor/reactor.h"
#include "mailroot/server/connections.h"
#include "mailroot/server/shard.h"
#include "mailroot/server/socket_store.h"
#include "mailroot/smtp/envelope.h"
#include "mailroot/spool/spool.h"

namespace mailroot::server {

// IIS's seven (ServerState 1 to 7).
//
//   stopped -> starting -> started -> pausing -> paused -> continuing -> started
//      ^                      |                    |
//      +------- stopping <----+--------------------+
enum class State : uint8_t { starting, started, stopping, stopped, pausing, paused, continuing };
std::string_view to_string(State state);

struct ServerView {
  std::string id, name;
  State state = State::stopped;
  std::string reason;                  // why it is stopped, or why it keeps its old bindings
  std::vector<std::string> bindings;   // as configured
  std::vector<std::string> listening;  // as held
  std::string default_domain, fqdn, home_directory;
  uint64_t connections_open = 0, connections = 0, connections_refused = 0;
  uint64_t messages = 0, messages_refused = 0, bytes = 0, recipients_refused = 0;
  uint64_t delivered = 0, deferred = 0, bounced = 0, dropped = 0, outbound_open = 0;
  queue::QueueCounters queue;
  spool::SpoolCounters spool;
};

struct ServiceView {
  std::string version, config_file;
  uint32_t shards = 0;
  std::string io;  // backend of the shards, with the reason for a fallback
  int64_t uptime_seconds = 0;
  bool built_in_default = false;
  std::vector<std::string> warnings;
  std::string last_reload;  // "applied", or the first problem
};

// What metrics tell of one virtual server, all its shards together. Counts begin when it starts.
struct ServerMetrics {
  std::string id;
  State state = State::stopped;
  uint64_t connections_open = 0, connections = 0, connections_refused = 0;
  uint64_t messages = 0, messages_refused = 0, bytes = 0;
  uint64_t recipients = 0, recipients_refused = 0;
  uint64_t logins = 0, logins_failed = 0;
  uint64_t outbound_open = 0, outbound = 0, outbound_failed = 0, attempts = 0;
  uint64_t delivered = 0, deferred = 0, bounced = 0, dropped = 0, dsns = 0, badmail = 0;
  queue::QueueCounters queue;
  spool::SpoolCounters spool;
  Histogram acceptance{kLatencyBounds}, attempt_duration{kLatencyBounds};
  Histogram age_at_delivery{kAgeBounds};
};

struct ShardMetrics {
  Duration lag{};  // how long the shard's loop let a message wait
};

struct Metrics {
  std::vector<ServerMetrics> servers;  // by id
  std::vector<ShardMetrics> shards;
  uint64_t reloads_applied = 0, reloads_refused = 0;
  WallTime last_reload{};  // that was applied; the epoch: none since start
  std::string io;
};

struct ReloadReport {
  bool applied = false;
  std::vector<std::string> problems;  // level 1: nothing was changed
  std::vector<std::string> changes;   // sentences, one per server that is not merely kept
  std::vector<std::string> warnings;  // sentences, also of what waits for a restart
};

// What a reload would do.
struct ServerPreview {
  std::string id;
  std::string action;  // as config::ServerAction, or "restart" in another home directory
  std::string reason;
  bool is_new = false;
  std::vector<std::string> opens, closes, adopts;
  std::vector<config::ChangedKey> changes;
};

struct ReloadPreview {
  std::vector<std::string> problems;  // it would be refused, and this is all
  std::vector<config::ChangedKey> service;
  std::vector<ServerPreview> servers;  // by id
  std::vector<std::string> warnings;
};

struct QueuedMessage {
  std::string server;
  queue::MessageView view;
};

struct QueuePage {
  std::vector<QueuedMessage> entries;
  uint64_t next_cursor = 0;  // 0: no more
};

// A next hop with mail, all shards together.
struct DestinationSum {
  std::string server;
  queue::DestinationView view;  // state: the worst of all shards
};

struct DestinationList {
  std::vector<DestinationSum> entries;  // most messages first
  bool is_complete = true;
};

struct MessageDetail {
  QueuedMessage message;
  smtp::Envelope envelope;
  std::string status;
  spool::MessageTimes times;
  std::string last_reply;  // of the newest deferral
};

// Of a message in the form of its Queue file.
struct MessagePiece {
  std::string server;
  uint64_t total_bytes = 0;  // of the whole
  std::string bytes;         // from the offset on, about 64 KiB; empty behind the end
};

// Of an address or an account that failed to log in too often.
struct LoginBan {
  std::string server;
  bool is_address = false;
  std::string who;
  uint32_t failures = 0;
  WallTime until{};
};

struct RetryReport {
  uint64_t messages = 0;
};

class Supervisor {
 public:
  struct Options {
    std::string config_file;
    bool allow_built_in_default = true;
    // Called on the control thread when a reload was applied.
    std::function<void(const config::Service&)> on_reload = {};
    // The protocol log of a server with these settings, null when it is off. Absent: never one.
    std::function<std::shared_ptr<log::ProtocolLog>(const config::VirtualServer&)> protocol_log =
        {};
    // Outlives the supervisor; null: listening sockets end with the process.
    SocketStore* socket_store = nullptr;
  };
  Supervisor(reactor::Reactor& control, Options options, log::Sink& log);
  ~Supervisor();

  // Loads the configuration, starts the shards and every server that can start. The shards' number
  // and backend are fixed from here on. `shard_log(i)` gives the sink of shard i.
  reactor::task<std::expected<void, std::vector<std::string>>> start(
      std::vector<log::Sink*> shard_logs, std::shared_ptr<const config::ConfigSnapshot> snapshot);
  // SIGHUP, `mailrootctl reload`. Requests that arrive while one runs are served by the next one.
  reactor::task<ReloadReport> reload();
  // What it would do now. Homes are not opened, so that a reload may still find one unusable.
  reactor::task<ReloadPreview> preview_reload();
  // Ends every server in order, then the shards.
  reactor::task<void> stop_all();

  reactor::task<std::expected<void, std::string>> start_server(std::string id);
  reactor::task<std::expected<void, std::string>> stop_server(std::string id);
  reactor::task<std::expected<void, std::string>> pause_server(std::string id);
  reactor::task<std::expected<void, std::string>> continue_server(std::string id);

  bool knows(const std::string& server) const;
  ServiceView service() const;
  queue::Moment moment() const;  // both clocks of the control thread
  reactor::task<std::vector<ServerView>> servers();
  // One message to each shard, which answers in slices.
  reactor::task<Metrics> metrics();
  // Completed when the loop of every shard has turned; never while one is stuck.
  reactor::task<void> ask_shards();
  // One page of at most `max` messages; of all servers when `server` is empty. Shards and servers
  // are walked one after the other, so no shard is held for long.
  reactor::task<QueuePage> list_queue(std::string server, uint64_t cursor, uint32_t max);
  // The `max` next hops with most messages; of all servers when `server` is empty.
  reactor::task<DestinationList> destinations(std::string server, uint32_t max);
  // One page of at most `max` connections behind `after`, in the order of their names; of all
  // servers when `server` is empty.
  reactor::task<ConnectionPage> connections(std::string server, std::optional<ConnectionName> after,
                                            uint32_t max);
  reactor::task<deliver::CloseResult> close_connection(ConnectionName name);
  // In force now, of all servers when `server` is empty.
  std::vector<LoginBan> login_bans(const std::string& server) const;
  // Ends those of this address or user, of all when `who` is empty; how many there were.
  size_t clear_login_bans(const std::string& server, const std::string& who);
  // All messages with this id (ids are unique in a home directory, not over all).
  reactor::task<std::vector<MessageDetail>> show(QueueId id);
  // A piece of a message in the queue of `server`, or of the first that has it when `server` is
  // empty. Nothing: no queue has it; an error: it cannot be read.
  reactor::task<std::optional<result<MessagePiece>>> content(std::string server, QueueId id,
                                                             uint64_t offset);
  // To a message in the queue of `server`, or of the first that has it when `server` is empty.
  reactor::task<deliver::OperatorResult> operate(std::string server, QueueId id,
                                                 deliver::OperatorAction action);
  // A message of `server`, or of the first that has it, becomes one of `to`: at no moment, a crash
  // included, of both or of none. A sentence when the two cannot.
  reactor::task<std::expected<deliver::OperatorResult, std::string>> move(std::string server,
                                                                          QueueId id,
                                                                          std::string to);
  // `id` empty: everything of `server` (or of all).
  reactor::task<RetryReport> retry(std::string server, std::optional<QueueId> id);

 private:
  struct State_;
  std::unique_ptr<State_> state_;
};

}  // namespace mailroot::server
