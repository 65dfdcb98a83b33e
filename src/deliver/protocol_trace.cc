#include "protocol_trace.h"

#include <utility>

#include "mailroot/deliver/limits.h"

namespace mailroot::deliver {

ProtocolTrace::ProtocolTrace(reactor::Reactor& reactor, std::shared_ptr<log::ProtocolLog> log,
                             SocketAddress next_hop)
    : reactor_(reactor), log_(std::move(log)), next_hop_(next_hop), since_(reactor.now()) {}

void ProtocolTrace::write(std::string user, std::string method, std::string query,
                          uint64_t size_bytes) {
  log::ProtocolLine line;
  line.time = reactor_.wall_now();
  line.remote = next_hop_.ip;
  line.remote_port = next_hop_.port;
  line.user = std::move(user);
  line.method = std::move(method);
  line.query = std::move(query);
  line.sent_bytes = size_bytes;
  line.taken = std::chrono::duration_cast<std::chrono::milliseconds>(reactor_.now() - since_);
  log_->write(std::move(line));
}

void ProtocolTrace::commands(std::string_view text, std::span<const smtp::HiddenRange> hidden) {
  if (log_ == nullptr) return;
  if (hidden.empty()) {
    command_lines(text);
    return;
  }
  std::string shown;
  size_t at = 0;
  for (const smtp::HiddenRange& range : hidden) {
    shown += text.substr(at, range.begin - at);
    shown += "***";
    at = range.begin + range.size;
  }
  shown += text.substr(at);
  command_lines(shown);
}

void ProtocolTrace::command_lines(std::string_view text) {
  while (!text.empty()) {
    const size_t end = std::min(text.find("\r\n"), text.size());
    const std::string_view command = text.substr(0, end);
    text.remove_prefix(std::min(end + 2, text.size()));
    const size_t blank = std::min(command.find(' '), command.size());
    const std::string_view argument = command.substr(std::min(blank + 1, command.size()));
    write("OutboundConnectionCommand", std::string(command.substr(0, blank)),
          std::string(argument.substr(0, kTracedLineMax)), command.size());
  }
}

void ProtocolTrace::replies(ByteView bytes) {
  if (log_ == nullptr) return;
  std::string_view text = as_text(bytes);
  while (!text.empty()) {
    const size_t end = text.find('\n');
    const std::string_view piece = text.substr(0, end);
    if (partial_.size() < kTracedLineMax) {
      partial_ += piece.substr(0, kTracedLineMax - partial_.size());
    }
    if (end == std::string_view::npos) return;
    text.remove_prefix(end + 1);
    if (partial_.ends_with('\r')) partial_.pop_back();
    const size_t size = partial_.size();
    write("OutboundConnectionResponse", "", std::exchange(partial_, {}), size);
  }
}

}  // namespace mailroot::deliver
