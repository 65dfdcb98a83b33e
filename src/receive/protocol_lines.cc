// An inbound connection's part of the protocol log.
#include <utility>

#include "connection.h"

namespace mailroot::receive {

namespace {

uint16_t code_of(std::string_view reply) {
  uint16_t code = 0;
  for (const char c : reply.substr(0, 3)) {
    if (c < '0' || c > '9') return 0;
    code = static_cast<uint16_t>(code * 10 + (c - '0'));
  }
  return code;
}

// Verbs are known in capitals, whatever a client writes (RFC 5321 2.4).
std::string upper_case(std::string_view verb) {
  std::string out(verb);
  for (char& c : out) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return out;
}

// Content that was taken is known by its queue id: "250 2.6.0 <id> Queued mail for delivery".
std::string_view queue_id_in(std::string_view reply) {
  constexpr std::string_view kTaken = "250 2.6.0 ";
  if (!reply.starts_with(kTaken)) return {};
  reply.remove_prefix(kTaken.size());
  return reply.substr(0, reply.find(' '));
}

}  // namespace

// What was answered since the last call. `protocol_log_` is set, or the session records nothing.
void Connection::log_exchanges() {
  if (actions_.exchanges.empty()) return;
  for (smtp::Exchange& exchange : actions_.exchanges) {
    const std::string_view command = exchange.command;
    const size_t blank = std::min(command.find(' '), command.size());
    log::ProtocolLine line;
    line.time = reactor_.wall_now();
    line.remote = peer_.ip;
    line.local = local_;
    line.user = session_.client_name();
    line.method = upper_case(command.substr(0, blank));
    line.query = blank < command.size() ? "+" + std::string(command.substr(blank + 1)) : "";
    const std::string_view id = queue_id_in(exchange.reply);
    if (!id.empty()) line.query = id;
    line.status = code_of(exchange.reply);
    line.sent_bytes = exchange.reply_bytes;
    line.received_bytes = command.size() + 2 + exchange.content_bytes;
    line.taken =
        std::chrono::duration_cast<std::chrono::milliseconds>(reactor_.now() - waiting_since_);
    protocol_log_->write(std::move(line));
  }
  actions_.exchanges.clear();
}

}  // namespace mailroot::receive
