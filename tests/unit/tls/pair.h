// Two engines wired to each other in memory.
#pragma once

#include <memory>
#include <string>

#include "certificates.h"
#include "mailroot/tls/engine.h"

namespace mailroot::tls::test {

inline std::shared_ptr<const ServerContext> server_context(const config::TlsAccess& settings) {
  std::vector<std::string> warnings;
  auto made = ServerContext::make(settings, "mail.example", WallTime{}, warnings);
  if (!made) throw std::runtime_error(made.error());
  return *made;
}

inline std::shared_ptr<const ClientContext> client_context(const config::Security& security) {
  auto made = ClientContext::make(security);
  if (!made) throw std::runtime_error(made.error());
  return *made;
}

inline config::TlsAccess access_with(const Files& files) {
  config::TlsAccess settings;
  settings.certificate = files.certificate;
  settings.key = files.key;
  return settings;
}

inline config::Security security(config::OutboundTls level) {
  config::Security out;
  out.tls = level;
  return out;
}

// What `from` wants to send is given to `to`, `step` bytes at a time.
template <class Take>
void carry(Engine& from, Engine& to, size_t step, Take take) {
  const std::string bytes = std::exchange(from.output(), {});
  for (size_t at = 0; at < bytes.size(); at += step) {
    to.give(as_bytes(std::string_view(bytes).substr(at, step)));
    take(to);
  }
}

// True when both are open.
inline bool shake(Engine& client, Engine& server, size_t step = 16384) {
  const auto go_on = [](Engine& engine) {
    if (!engine.is_open()) engine.shake();
    // What follows the handshake (tickets) must be read away.
    std::byte one[1];
    if (engine.is_open()) (void)engine.read(one);
  };
  client.shake();
  for (int round = 0; round < 6; ++round) {
    carry(client, server, step, go_on);
    carry(server, client, step, go_on);
  }
  return client.is_open() && server.is_open();
}

inline std::string receive(Engine& from, Engine& to, size_t step = 16384) {
  std::string out;
  carry(from, to, step, [&out](Engine& engine) {
    std::byte plain[4096];
    while (true) {
      const auto count = engine.read(plain);
      if (!count) break;
      out.append(reinterpret_cast<const char*>(plain), *count);
    }
  });
  return out;
}

}  // namespace mailroot::tls::test
