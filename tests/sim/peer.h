// Either end of an SMTP connection as a script sees it: lines in, text out at a chosen pace.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "chance.h"
#include "mailroot/reactor/reactor.h"
#include "scenario.h"

namespace mailroot::simtest {

// Owned by one script; close() must have completed before it dies.
class Peer {
 public:
  Peer(reactor::Reactor& reactor, reactor::Descriptor socket, reactor::CancelScope& scope,
       Pace pace, Chance& chance);

  // False: the connection is gone.
  reactor::task<bool> say(std::string text);
  // Without CRLF; nothing: the end, or no line for so long.
  reactor::task<std::optional<std::string>> line(Duration patience);
  // At least one more byte into buffer().
  reactor::task<bool> fill(Duration patience);
  // The code of the next whole reply, 0 if none came; text() is its last line.
  reactor::task<int> reply(Duration patience);
  reactor::task<void> pause(Duration time);
  reactor::task<void> close();

  std::string& buffer() { return buffer_; }
  const std::string& text() const { return text_; }
  bool is_broken() const { return is_broken_; }

 private:
  reactor::task<bool> send(std::string_view text);

  reactor::Reactor& reactor_;
  reactor::Descriptor socket_;
  reactor::CancelScope& scope_;
  Pace pace_;
  Chance& chance_;
  reactor::ReceiveStream stream_;
  std::string buffer_;
  std::string text_;
  bool is_broken_ = false;
};

}  // namespace mailroot::simtest
