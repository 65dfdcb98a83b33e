// What the Supervisor knows, and the steps its operations are made of.
//   reload.cc     plan, prepare, commit, retire
//   lifecycle.cc  one server on all shards: add, exchange, remove
//   move.cc       messages from one server to another
//   views.cc      answers to control
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "address_watch.h"
#include "mailroot/http/client.h"
#include "mailroot/oauth/token_source.h"
#include "mailroot/server/supervisor.h"
#include "mailroot/tls/context.h"
#include "mailroot/tls/limits.h"
#include "server_shard.h"
#include "sockets.h"

namespace mailroot::server {

// The certificates of one virtual server, as they were read.
struct ServerTlsState {
  tls::ServerTls listeners;                              // no context: no TLS
  std::shared_ptr<const tls::ClientContexts> next_hops;  // null: never made
  std::string stamp;                                     // of settings and files
  std::string stamp_seen;                                // newer, not used (yet)
  std::string trouble;                                   // why the newer is not used
};

// One virtual server as the control thread knows it.
struct Record {
  std::string id;
  State state = State::stopped;
  std::string reason;
  std::shared_ptr<const config::VirtualServer> settings;
  std::shared_ptr<ServerShared> shared;  // null while it does not run
  ServerTlsState tls;
};

struct Supervisor::State_ {
  State_(reactor::Reactor& control_reactor, Options given_options, log::Sink& sink)
      : control(control_reactor),
        options(std::move(given_options)),
        log(sink),
        sockets(control_reactor),
        started_at(control_reactor.now()) {}

  // Operations take turns.
  reactor::task<void> enter();
  void leave();

  // reload.cc
  reactor::task<ReloadReport> apply(std::shared_ptr<const config::ConfigSnapshot> next,
                                    config::PlanConditions conditions);
  reactor::task<std::vector<std::string>> vacate_homes(const config::ConfigSnapshot& next,
                                                       config::PlanConditions& conditions);
  std::set<std::string> paused_ids() const;
  std::set<std::string> ids_at_home(const config::ConfigSnapshot& next) const;
  bool look_at_obstacles(const config::ReloadPlan& plan, const config::ConfigSnapshot& next,
                         config::PlanConditions& conditions);  // reload_preview.cc
  reactor::task<void> pause_again(std::set<std::string> ids);
  struct Prepared {
    std::map<std::string, std::shared_ptr<ServerShared>> homes;
    std::map<config::BindingKey, PreparedSockets> sockets;
    std::map<std::string, ServerTlsState> tls;
  };
  reactor::task<ReloadReport> take_effect(std::shared_ptr<const config::ConfigSnapshot> next,
                                          const config::ReloadPlan& plan, Prepared& prepared);
  reactor::task<config::ReloadPlan> prepare(const config::ConfigSnapshot& next,
                                            config::PlanConditions conditions, Prepared& prepared);
  reactor::task<bool> prepare_homes(const config::ReloadPlan& plan,
                                    const config::ConfigSnapshot& next,
                                    config::PlanConditions& conditions, Prepared& prepared);
  reactor::task<void> prepare_home(std::shared_ptr<const config::VirtualServer> settings,
                                   config::PlanConditions& conditions, Prepared& prepared);
  bool prepare_sockets(const config::ServerPlan& plan, config::PlanConditions& conditions,
                       Prepared& prepared);
  bool still_free(config::PlanConditions& conditions, Prepared& prepared);
  reactor::task<void> discard_unused(const config::ReloadPlan& plan, Prepared& prepared);
  reactor::task<void> commit(const config::ReloadPlan& plan, Prepared& prepared,
                             ReloadReport& report);
  reactor::task<void> commit_server(const config::ServerPlan& plan, Prepared& prepared);
  reactor::task<void> open_sockets(const config::ServerPlan& plan, Prepared& prepared);
  reactor::task<void> retire_sockets(const config::ReloadPlan& plan);
  void keep_sockets(const Prepared& prepared);
  reactor::task<void> close_unwanted_sockets();
  reactor::task<void> end_servers(const config::ReloadPlan& plan);

  // certificates.cc
  bool prepare_tls(const config::ReloadPlan& plan, const config::ConfigSnapshot& next,
                   config::PlanConditions& conditions, Prepared& prepared);
  reactor::task<void> renew_certificates();
  bool renew(Record& record);

  // move.cc
  reactor::task<void> finish_moves(std::string from, const spool::Home& home);

  // lifecycle.cc
  reactor::task<std::expected<std::shared_ptr<ServerShared>, spool::HomeProblem>> open_shared(
      const config::VirtualServer& settings);
  std::function<void(const std::string&)> kept_mail_sender(std::string id);
  reactor::task<void> add_to_shards(Record& record, std::shared_ptr<ServerShared> shared);
  reactor::task<void> exchange_on_shards(Record& record, std::shared_ptr<ServerShared> shared);
  reactor::task<void> use_on_shards(const Record& record);
  reactor::task<void> remove_from_shards(Record& record);
  reactor::task<void> close_shared(ServerShared& shared);
  reactor::task<void> watch_homes();
  reactor::task<void> stop_lost_homes();
  reactor::task<void> start_where_space_came();
  reactor::task<bool> may_have_space(std::string directory);
  std::map<std::string, std::string> lost_ports(std::set<config::BindingKey>& lost_keys);
  reactor::task<void> watch_addresses();
  bool is_awaited(const AddressNews& news) const;
  reactor::task<void> start_where_ports_came_free();

  Policy policy_of(const Record& record) const;
  void note(const Record& record, std::string_view event);

  void start_tokens(const config::Service& service);

  reactor::Reactor& control;
  Options options;
  log::Sink& log;
  // Both outlive the shards.
  std::unique_ptr<http::Client> http;
  std::unique_ptr<oauth::TokenSource> tokens;
  SocketMaker sockets;
  AddressWatch addresses;
  Instant started_at;
  config::Service service_at_start;  // what is fixed until a restart
  std::shared_ptr<const config::ConfigSnapshot> snapshot;
  std::shared_ptr<const config::BindingTable> table = std::make_shared<config::BindingTable>();
  LoginDesk login_desk;  // outlives the shards
  std::vector<std::unique_ptr<Shard>> shards;
  std::map<std::string, Record> records;
  std::set<std::string> lacking_space;  // ids: the last start failed for want of it
  Instant next_space_look{};
  Instant next_certificate_look{}, next_ticket_keys{};
  std::string last_reload = "none yet";
  uint64_t reloads_applied = 0, reloads_refused = 0;
  WallTime last_applied{};
  Instant check_ports_at = kNever;
  std::set<config::BindingKey> taken_ports;  // wanted, and another program listens there
  bool busy = false;
  bool ending = false;
  bool reload_waits = false;  // a reload request is in line; further ones are the same
  reactor::Event turn_over;
  reactor::CancelScope scope{nullptr};
  reactor::TaskGroup background;
};

}  // namespace mailroot::server
