#include "json_views.h"

#include <nlohmann/json.hpp>

#include "mailroot/message/trace.h"

namespace mailroot::control {

using nlohmann::ordered_json;

namespace {

std::string_view word(queue::MessageState state) {
  switch (state) {
    case queue::MessageState::waiting:
      return "waiting";
    case queue::MessageState::ready:
      return "ready";
    case queue::MessageState::in_transaction:
      return "in-transaction";
    case queue::MessageState::held:
      return "held";
  }
  return "unknown";
}

std::string_view word(queue::DestinationState state) {
  switch (state) {
    case queue::DestinationState::idle:
      return "idle";
    case queue::DestinationState::ready:
      return "ready";
    case queue::DestinationState::busy:
      return "busy";
    case queue::DestinationState::backoff:
      return "backoff";
    case queue::DestinationState::held:
      return "held";
  }
  return "unknown";
}

std::string_view word(char status) {
  switch (status) {
    case queue::kWaiting:
      return "waiting";
    case queue::kDelivered:
      return "delivered";
    case queue::kBounced:
      return "bounced";
    case queue::kHeld:
      return "held";
    default:
      return "unknown";
  }
}

std::string_view word(smtp::BodyType body) {
  switch (body) {
    case smtp::BodyType::seven_bit:
      return "7bit";
    case smtp::BodyType::eight_bit_mime:
      return "8bitmime";
    case smtp::BodyType::binary_mime:
      return "binarymime";
  }
  return "7bit";
}

}  // namespace

ordered_json to_json(const server::ServiceView& view) {
  return {{"version", view.version},
          {"config", view.config_file},
          {"shards", view.shards},
          {"io", view.io},
          {"uptime_seconds", view.uptime_seconds},
          {"built_in_default", view.built_in_default},
          {"warnings", view.warnings},
          {"last_reload", view.last_reload}};
}

ordered_json to_json(const server::ServerView& view) {
  ordered_json out = {{"id", view.id},
                      {"name", view.name},
                      {"state", server::to_string(view.state)},
                      {"reason", view.reason},
                      {"bindings", view.bindings},
                      {"listening", view.listening},
                      {"default_domain", view.default_domain},
                      {"fqdn", view.fqdn},
                      {"home_directory", view.home_directory}};
  out["inbound"] = {{"connections_open", view.connections_open},
                    {"connections", view.connections},
                    {"connections_refused", view.connections_refused},
                    {"messages", view.messages},
                    {"messages_refused", view.messages_refused},
                    {"recipients_refused", view.recipients_refused},
                    {"bytes", view.bytes}};
  out["outbound"] = {{"connections_open", view.outbound_open},
                     {"delivered", view.delivered},
                     {"deferred", view.deferred},
                     {"bounced", view.bounced},
                     {"dropped", view.dropped}};
  out["queue"] = {{"messages", view.queue.messages},
                  {"bytes", view.queue.size_bytes},
                  {"waiting", view.queue.waiting},
                  {"ready", view.queue.ready},
                  {"in_transaction", view.queue.in_transaction},
                  {"held", view.queue.held},
                  {"destinations", view.queue.destinations}};
  out["spool"] = {{"hot", view.spool.hot},
                  {"placed", view.spool.placed},
                  {"committed", view.spool.committed},
                  {"groups", view.spool.groups},
                  {"bytes_written", view.spool.bytes_written},
                  {"failures", view.spool.failures},
                  {"set_aside", view.spool.set_aside}};
  return out;
}

ordered_json to_json(const server::QueuedMessage& message, Instant now, WallTime wall) {
  const queue::MessageView& view = message.view;
  const WallTime next = wall + (view.next_attempt > now ? view.next_attempt - now : Duration(0));
  const auto age = std::chrono::duration_cast<std::chrono::seconds>(wall - view.arrived);
  return {{"id", to_string(view.id)},
          {"server", message.server},
          {"state", word(view.state)},
          {"bytes", view.size_bytes},
          {"arrived", message::iso_time(view.arrived)},
          {"age_seconds", age.count()},
          {"attempts", view.attempts},
          {"next_attempt", message::iso_time(next)},
          {"recipients_open", view.recipients_open},
          {"recipients", view.recipients},
          {"destination", view.destination},
          {"destinations", view.destinations}};
}

ordered_json to_json(const server::DestinationSum& sum, Instant now) {
  using std::chrono::duration_cast;
  using std::chrono::seconds;
  const queue::DestinationView& view = sum.view;
  const auto rest = std::max(Duration(0), view.backoff_until - now);
  return {{"destination", view.key},
          {"server", sum.server},
          {"state", word(view.state)},
          {"waiting", view.waiting},
          {"ready", view.ready},
          {"in_transaction", view.in_transaction},
          {"held", view.held},
          {"bytes", view.size_bytes},
          {"connections", view.connections},
          {"failures", view.failures},
          {"next_connection_seconds", duration_cast<seconds>(rest).count()},
          {"last_error", view.last_error}};
}

ordered_json to_json(const server::OpenConnection& connection, Instant now, WallTime wall) {
  const Duration age = std::max(Duration(0), now - connection.since);
  ordered_json out = {
      {"id", connection.name.to_string()},
      {"server", connection.name.server},
      {"direction", connection.name.direction == server::Direction::in ? "in" : "out"},
      {"peer", connection.peer},
      {"stage", connection.stage},
      {"since", message::iso_time(wall - age)},
      {"age_seconds", std::chrono::duration_cast<std::chrono::seconds>(age).count()},
      {"messages", connection.messages},
      {"bytes", connection.bytes}};
  if (connection.name.direction == server::Direction::in) {
    out["local"] = connection.local;
    out["helo"] = connection.hello;
    if (!connection.user.empty()) out["user"] = connection.user;
  } else {
    out["host"] = connection.host;
    out["destination"] = connection.destination;
  }
  return out;
}

ordered_json to_json(const server::LoginBan& ban) {
  return {{"server", ban.server},
          {"kind", ban.is_address ? "address" : "user"},
          {"who", ban.who},
          {"failures", ban.failures},
          {"until", message::iso_time(ban.until)}};
}

ordered_json to_json(const server::MessageDetail& detail, Instant now, WallTime wall) {
  ordered_json out = to_json(detail.message, now, wall);
  out["from"] = smtp::to_string(detail.envelope.reverse_path);
  out["body"] = word(detail.envelope.body);
  out["smtputf8"] = detail.envelope.smtputf8;
  out["envelope_id"] = detail.envelope.envelope_id;
  out["last_reply"] = detail.last_reply;
  out["delay_notified"] = detail.times.delay_notified;
  ordered_json recipients = ordered_json::array();
  for (size_t i = 0; i < detail.envelope.recipients.size(); ++i) {
    const char status = i < detail.status.size() ? detail.status[i] : queue::kWaiting;
    recipients.push_back({{"address", smtp::to_string(detail.envelope.recipients[i].address)},
                          {"status", word(status)}});
  }
  out["to"] = std::move(recipients);
  return out;
}

}  // namespace mailroot::control
