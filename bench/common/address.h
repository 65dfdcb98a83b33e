#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

namespace mailroot::bench {

/// A socket address as a value.
struct Address {
  sockaddr_storage storage{};
  socklen_t length = 0;
};

/// Reads "127.0.0.1:25", "[::1]:25" or "localhost:25"; no name is ever looked up. The error is a
/// sentence for the user.
std::expected<Address, std::string> parse_address(std::string_view text);

/// True for 127.0.0.0/8 and ::1: the tools refuse to talk to anything else unless told to.
bool is_loopback(const Address& address);

uint16_t port_of(const Address& address);
std::string to_text(const Address& address);

/// Loopback address 127.0.0.2 + index, for clients that should look like many machines.
Address loopback_client(uint32_t index);

/// A non-blocking, close-on-exec TCP socket on its way to `to`; -1 with errno on failure.
/// TCP_NODELAY is set: both tools batch by themselves.
int start_connect(const Address& to, const Address* from);

/// A non-blocking listening socket with SO_REUSEPORT; -1 with errno on failure.
int start_listen(const Address& at, int backlog);

/// The address a socket is bound to (port 0 resolved).
Address local_address(int socket);

}  // namespace mailroot::bench
