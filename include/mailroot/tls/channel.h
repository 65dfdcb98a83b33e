// Channel: an Engine on a socket of the reactor. The owner keeps the socket and its receive stream;
// the channel turns bytes. One per connection, on its shard; it lives as long as the calls on it.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>

#include "mailroot/base/bytes.h"
#include "mailroot/base/result.h"
#include "mailroot/reactor/reactor.h"
#include "mailroot/tls/engine.h"

namespace mailroot::tls {

class Channel {
 public:
  Channel(reactor::Reactor& reactor, reactor::Descriptor socket, reactor::ReceiveStream& stream,
          std::unique_ptr<Engine> engine);

  // What has arrived and was read from the stream already; before shake(), once.
  void hear_first(std::string ciphertext);
  // Errc::invalid: it failed, and engine().why() says why; else the error of the socket.
  reactor::task<result<void>> shake(reactor::Wait wait);
  // The next plaintext, valid until the next call of next() or take_ready(). end_of_stream at a
  // close_notify or at the end of the connection without one: SMTP has ends of its own.
  reactor::task<result<ByteView>> next(reactor::Wait wait);
  // What can be had without waiting; nothing if there is none. Ends show at the next next().
  std::optional<ByteView> take_ready();
  // Nothing more in memory, decrypted or not.
  bool has_ready() const;
  // As Reactor::send.
  reactor::task<result<void>> send(std::span<const iovec> pieces, reactor::Wait wait);
  reactor::task<result<void>> say_goodbye(reactor::Wait wait);  // close_notify

  Engine& engine() { return *engine_; }
  const Engine& engine() const { return *engine_; }

 private:
  reactor::task<result<void>> flush(reactor::Wait wait);
  std::expected<ByteView, Progress> read_some();
  void rest();

  reactor::Reactor& reactor_;
  reactor::Descriptor socket_;
  reactor::ReceiveStream& stream_;
  std::unique_ptr<Engine> engine_;
  reactor::BufferLease lease_;  // what the engine still reads from
  std::string first_;           // likewise, at the beginning
  std::unique_ptr<std::byte[]> plain_;
};

}  // namespace mailroot::tls
