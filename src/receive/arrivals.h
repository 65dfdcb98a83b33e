// From an accepted socket to a connection that is served: who is admitted, and who speaks through a
// balancer.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "connection.h"
#include "mailroot/reactor/reactor.h"
#include "mailroot/receive/service.h"

namespace mailroot::receive {

// The reply to refuse it with, logged and counted; nothing: it is admitted, and leaves
// Service::admission() at its end.
std::optional<std::string> why_not_admitted(Service& service, const SocketAddress& local,
                                            const SocketAddress& peer, bool retiring);

// Connections from there begin with a PROXY header.
bool speaks_for_others(const config::VirtualServer& settings, const IpAddress& peer);

// Owns the connection for as long as its driver runs.
reactor::task<void> serve(std::unique_ptr<Connection> connection);
// Reads the header of a balancer, then admits and serves the client that it names. Closes the
// socket.
reactor::task<void> serve_behind(reactor::Reactor& reactor, Service& service,
                                 reactor::Descriptor socket, SocketAddress local,
                                 SocketAddress balancer, reactor::CancelScope* scope);

}  // namespace mailroot::receive
