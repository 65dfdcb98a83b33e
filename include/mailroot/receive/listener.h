// Listener: accepts at one listening socket of one shard and serves what arrives. Its service can
// be exchanged while it runs: a freed address is adopted, not closed (decisions 5).
#pragma once

#include <chrono>
#include <memory>

#include "mailroot/base/address.h"
#include "mailroot/reactor/reactor.h"
#include "mailroot/receive/service.h"

namespace mailroot::receive {

// How long connections that wait at a removed binding are still answered with 421.
inline constexpr std::chrono::milliseconds kRetireTime{200};
inline constexpr std::chrono::milliseconds kLeaveWaiting{0};

// Where the connections of one virtual server live on one shard: what ends them, who joins them.
struct ConnectionHome {
  reactor::CancelScope* scope = nullptr;
  reactor::TaskGroup* group = nullptr;
};

class Listener {
 public:
  // `socket` is bound and listening; the listener closes it.
  Listener(reactor::Reactor& reactor, reactor::Descriptor socket, SocketAddress address,
           Service& service, ConnectionHome home);

  const SocketAddress& address() const { return address_; }
  Service& service() const { return *service_; }
  // From now on connections belong to another virtual server.
  void adopt(Service& service, ConnectionHome home);
  // Accepts until retire(); the socket is closed when it returns. Spawn it in a group that is
  // joined before the listener dies.
  reactor::task<void> run();
  // Answers what waits in the accept queue with 421 for so long, then ends run(). With
  // kLeaveWaiting only what was accepted already is answered: somebody else holds the socket, too.
  void retire(std::chrono::milliseconds answering);

 private:
  reactor::task<void> rest_until_retired();
  void note_rest(Error reason);
  void take(reactor::Descriptor connection);
  void refuse(reactor::Descriptor connection, std::string reply);

  reactor::Reactor& reactor_;
  reactor::Descriptor socket_;
  SocketAddress address_;
  Service* service_;
  ConnectionHome home_;
  reactor::TaskGroup refusals_;
  reactor::CancelScope accepting_;
  Instant retire_at_ = kNever;
  Instant rest_said_until_{};
};

}  // namespace mailroot::receive
