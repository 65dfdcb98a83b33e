// An outbound connection's part of the protocol log: commands and replies as lines.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "mailroot/base/address.h"
#include "mailroot/base/bytes.h"
#include "mailroot/base/protocol_log.h"
#include "mailroot/reactor/reactor.h"
#include "mailroot/smtp/client_session.h"

namespace mailroot::deliver {

class ProtocolTrace {
 public:
  // `log` may be null: then nothing is done.
  ProtocolTrace(reactor::Reactor& reactor, std::shared_ptr<log::ProtocolLog> log,
                SocketAddress next_hop);
  // What goes out, without content; one line each. `hidden` is shown as "***".
  void commands(std::string_view text, std::span<const smtp::HiddenRange> hidden);
  // What comes in, in pieces of any size.
  void replies(ByteView bytes);

 private:
  void command_lines(std::string_view text);
  void write(std::string user, std::string method, std::string query, uint64_t size_bytes);

  reactor::Reactor& reactor_;
  std::shared_ptr<log::ProtocolLog> log_;
  SocketAddress next_hop_;
  Instant since_;
  std::string partial_;  // of a reply line
};

}  // namespace mailroot::deliver
