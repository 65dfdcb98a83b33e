#include "metric_table.h"

namespace mailroot::control {

namespace {

using S = server::ServerMetrics;
using enum MetricType;

template <auto member>
uint64_t count(const S& server) {
  return server.*member;
}

template <auto member>
uint64_t queue_count(const S& server) {
  return server.queue.*member;
}

template <auto member>
uint64_t spool_count(const S& server) {
  return server.spool.*member;
}

template <server::State state>
uint64_t is_in(const S& server) {
  return server.state == state ? 1 : 0;
}

using Q = queue::QueueCounters;
using P = spool::SpoolCounters;
using server::State;

constexpr ServerSeries kState[] = {{R"(state="starting")", is_in<State::starting>},
                                   {R"(state="started")", is_in<State::started>},
                                   {R"(state="stopping")", is_in<State::stopping>},
                                   {R"(state="stopped")", is_in<State::stopped>},
                                   {R"(state="pausing")", is_in<State::pausing>},
                                   {R"(state="paused")", is_in<State::paused>},
                                   {R"(state="continuing")", is_in<State::continuing>}};
constexpr ServerSeries kOpen[] = {{R"(direction="in")", count<&S::connections_open>},
                                  {R"(direction="out")", count<&S::outbound_open>}};
constexpr ServerSeries kConnections[] = {{"", count<&S::connections>}};
constexpr ServerSeries kConnectionsRefused[] = {{"", count<&S::connections_refused>}};
constexpr ServerSeries kOutbound[] = {{"", count<&S::outbound>}};
constexpr ServerSeries kOutboundFailed[] = {{"", count<&S::outbound_failed>}};
constexpr ServerSeries kMessages[] = {{"", count<&S::messages>}};
constexpr ServerSeries kMessagesRefused[] = {{"", count<&S::messages_refused>}};
constexpr ServerSeries kBytes[] = {{"", count<&S::bytes>}};
constexpr ServerSeries kRecipients[] = {{R"(outcome="accepted")", count<&S::recipients>},
                                        {R"(outcome="refused")", count<&S::recipients_refused>}};
constexpr ServerSeries kLogins[] = {{R"(outcome="accepted")", count<&S::logins>},
                                    {R"(outcome="refused")", count<&S::logins_failed>}};
constexpr ServerSeries kAttempts[] = {{"", count<&S::attempts>}};
constexpr ServerSeries kDeliveries[] = {{R"(outcome="delivered")", count<&S::delivered>},
                                        {R"(outcome="deferred")", count<&S::deferred>},
                                        {R"(outcome="bounced")", count<&S::bounced>}};
constexpr ServerSeries kDropped[] = {{"", count<&S::dropped>}};
constexpr ServerSeries kDsns[] = {{"", count<&S::dsns>}};
constexpr ServerSeries kBadmail[] = {{"", count<&S::badmail>}};
constexpr ServerSeries kQueueMessages[] = {{"", queue_count<&Q::messages>}};
constexpr ServerSeries kQueueBytes[] = {{"", queue_count<&Q::size_bytes>}};
constexpr ServerSeries kQueueGroups[] = {
    {R"(state="waiting")", queue_count<&Q::waiting>},
    {R"(state="ready")", queue_count<&Q::ready>},
    {R"(state="in_transaction")", queue_count<&Q::in_transaction>},
    {R"(state="held")", queue_count<&Q::held>}};
constexpr ServerSeries kDestinations[] = {{"", queue_count<&Q::destinations>}};
constexpr ServerSeries kExpired[] = {{"", queue_count<&Q::expired>}};
constexpr ServerSeries kCommitGroups[] = {{"", spool_count<&P::groups>}};
constexpr ServerSeries kCommitBytes[] = {{"", spool_count<&P::bytes_written>}};
constexpr ServerSeries kCommitFailures[] = {{"", spool_count<&P::failures>}};
constexpr ServerSeries kSpoolMessages[] = {{R"(where="memory")", spool_count<&P::hot>},
                                           {R"(where="queue_directory")", spool_count<&P::placed>}};
constexpr ServerSeries kSetAside[] = {{"", spool_count<&P::set_aside>}};

constexpr ServerFamily kServerFamilies[] = {
    {"mailroot_server_state", "1 for the state the virtual server is in.", gauge, kState},
    {"mailroot_connections_open", "Connections open now, by direction.", gauge, kOpen},
    {"mailroot_connections_accepted_total", "Connections of clients.", counter, kConnections},
    {"mailroot_connections_refused_total", "Connections answered with 421 at once.", counter,
     kConnectionsRefused},
    {"mailroot_outbound_connections_total", "Connections made to next hops.", counter, kOutbound},
    {"mailroot_outbound_connections_failed_total", "Connections to next hops that failed.", counter,
     kOutboundFailed},
    {"mailroot_messages_accepted_total", "Messages taken by SMTP.", counter, kMessages},
    {"mailroot_messages_refused_total", "Messages refused at MAIL or after their content.", counter,
     kMessagesRefused},
    {"mailroot_received_bytes_total", "Content of messages accepted.", counter, kBytes},
    {"mailroot_recipients_total", "Recipients named by clients, by outcome.", counter, kRecipients},
    {"mailroot_logins_total", "Attempts of clients to authenticate, by outcome.", counter, kLogins},
    {"mailroot_delivery_attempts_total", "Transactions tried with next hops.", counter, kAttempts},
    {"mailroot_deliveries_total", "Outcomes of recipients tried, by outcome.", counter,
     kDeliveries},
    {"mailroot_drop_deliveries_total", "Recipients delivered into Drop.", counter, kDropped},
    {"mailroot_dsns_total", "Delivery status notifications made.", counter, kDsns},
    {"mailroot_badmail_total", "Messages that became Badmail.", counter, kBadmail},
    {"mailroot_expired_recipients_total", "Recipients given up for age.", counter, kExpired},
    {"mailroot_queue_messages", "Messages in the queue.", gauge, kQueueMessages},
    {"mailroot_queue_bytes", "Content of messages in the queue.", gauge, kQueueBytes},
    {"mailroot_queue_groups", "Recipient groups (message and next hop), by state.", gauge,
     kQueueGroups},
    {"mailroot_queue_destinations", "Next hops with mail.", gauge, kDestinations},
    {"mailroot_journal_groups_total", "Commit groups made durable.", counter, kCommitGroups},
    {"mailroot_journal_written_bytes_total", "Bytes written into the journal.", counter,
     kCommitBytes},
    {"mailroot_journal_failures_total", "Commit groups the disk refused.", counter,
     kCommitFailures},
    {"mailroot_spool_messages", "Messages by where their content is.", gauge, kSpoolMessages},
    {"mailroot_spool_set_aside_total", "Damaged messages set aside.", counter, kSetAside},
};

constexpr HistogramFamily kHistogramFamilies[] = {
    {"mailroot_acceptance_duration_seconds", "From the end of content to its 250.",
     [](const S& server) -> const Histogram& { return server.acceptance; }},
    {"mailroot_commit_duration_seconds", "Writing and syncing one commit group.",
     [](const S& server) -> const Histogram& { return server.spool.commit; }},
    {"mailroot_delivery_duration_seconds", "One attempt, for each recipient tried.",
     [](const S& server) -> const Histogram& { return server.attempt_duration; }},
    {"mailroot_delivery_age_seconds", "Age of mail when delivered, for each recipient.",
     [](const S& server) -> const Histogram& { return server.age_at_delivery; }},
};

constexpr ServiceFamily kServiceFamilies[] = {
    {"mailroot_build_info", "1; the labels tell version and I/O backend.", gauge, "version, io"},
    {"mailroot_virtual_servers", "Virtual servers that are configured.", gauge, ""},
    {"mailroot_shard_loop_lag_seconds", "How long a message to the shard waited just now.", gauge,
     "shard"},
    {"mailroot_reloads_total", "Reloads of the configuration, by outcome.", counter,
     R"(outcome="applied", outcome="refused")"},
    {"mailroot_last_reload_timestamp_seconds", "When a reload was last applied; 0: never.", gauge,
     ""},
    {"process_start_time_seconds", "When the process started, since the epoch.", gauge, ""},
    {"process_cpu_seconds_total", "User and system time of the process.", counter, ""},
    {"process_resident_memory_bytes", "Resident memory of the process.", gauge, ""},
    {"process_open_fds", "Open file descriptors.", gauge, ""},
    {"process_max_fds", "Most file descriptors that may be open.", gauge, ""},
};

}  // namespace

std::string_view to_string(MetricType type) {
  switch (type) {
    case counter:
      return "counter";
    case gauge:
      return "gauge";
    case histogram:
      return "histogram";
  }
  return "untyped";
}

std::span<const ServerFamily> server_families() { return kServerFamilies; }
std::span<const HistogramFamily> histogram_families() { return kHistogramFamilies; }
std::span<const ServiceFamily> service_families() { return kServiceFamilies; }

}  // namespace mailroot::control
