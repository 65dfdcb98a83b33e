// What TLS connections are made from: certificates, keys, rules. Immutable once made, on the
// control thread; shared by all shards through shared pointers and exchanged like the
// configuration.
#pragma once

#include <array>
#include <expected>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "mailroot/base/time.h"
#include "mailroot/config/load.h"
#include "mailroot/config/snapshot.h"

struct ssl_ctx_st;
struct ssl_st;

namespace mailroot::tls {

// Keys of session tickets (RFC 5077, RFC 8446 4.6.1) of one virtual server. A value: keys live in
// memory only, are shared by all shards, and every kTicketLife another one takes the place of the
// older; so a ticket is good for up to twice that. Outlives an exchange of certificates.
class TicketKeys {
 public:
  static std::shared_ptr<const TicketKeys> fresh();
  // The current key becomes the previous one.
  std::shared_ptr<const TicketKeys> next() const;
  ~TicketKeys();

  struct Key {
    std::array<unsigned char, 16> name;
    std::array<unsigned char, 32> cipher, mac;
  };
  const Key& current() const { return keys_[0]; }
  // Null: not ours, or too old.
  const Key* find(const unsigned char* name) const;

 private:
  TicketKeys() = default;
  std::vector<Key> keys_;  // newest first, at most kTicketKeys
};

// Of the listeners of one virtual server.
class ServerContext {
 public:
  // A sentence says why not: which file, what is wrong with it, what to do. `warnings` get what
  // does not stop it: an expired certificate, one for other names than `fqdn`. Blocks for the
  // files.
  static std::expected<std::shared_ptr<const ServerContext>, std::string> make(
      const config::TlsAccess& settings, std::string_view fqdn, WallTime now,
      std::vector<std::string>& warnings);
  ~ServerContext();
  // The first context; SNI may choose another during the handshake.
  ssl_ctx_st* get(config::TlsProfile profile) const;
  WallTime first_expiry() const { return first_expiry_; }
  const config::TlsAccess& settings() const { return settings_; }

 private:
  struct Group;  // certificates with the same names, one for each type of key
  ServerContext();
  static int choose_by_name(ssl_st* ssl, int* alert, void* self);

  std::vector<Group> groups_;
  config::TlsAccess settings_;
  WallTime first_expiry_{};
};

// What a listener needs for one connection.
struct ServerTls {
  std::shared_ptr<const ServerContext> context;
  std::shared_ptr<const TicketKeys> tickets;
};

// Towards next hops, for one set of delivery.security values.
class ClientContext {
 public:
  // As ServerContext::make. Blocks for the files.
  static std::expected<std::shared_ptr<const ClientContext>, std::string> make(
      const config::Security& security);
  ~ClientContext();
  ssl_ctx_st* get() const { return context_; }
  bool verifies() const { return verifies_; }

 private:
  ClientContext() = default;
  ssl_ctx_st* context_ = nullptr;
  bool verifies_ = false;
};

// The contexts of one virtual server's next hops, by the values they were made from.
class ClientContexts {
 public:
  // delivery.security, and what entries of domains change in it.
  static std::expected<std::shared_ptr<const ClientContexts>, std::string> make(
      const config::VirtualServer& server);
  // Null: none was made for it (TLS off).
  std::shared_ptr<const ClientContext> find(const config::Security& security) const;

 private:
  std::vector<std::pair<config::Security, std::shared_ptr<const ClientContext>>> contexts_;
};

// Of the files that a virtual server names for TLS, in both directions: changes when one of them
// does. Blocks for stat.
std::string files_stamp(const config::VirtualServer& server);

// Adds what is wrong with certificates to the answer of --check.
void check_certificates(config::CheckResult& result, WallTime now);

}  // namespace mailroot::tls
