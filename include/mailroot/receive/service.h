// What receive needs of a virtual server: the seam below server/. One per (virtual server, shard),
// used on that shard's thread; it outlives every connection it serves.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "mailroot/base/histogram.h"
#include "mailroot/base/log.h"
#include "mailroot/base/protocol_log.h"
#include "mailroot/base/slab_pool.h"
#include "mailroot/config/snapshot.h"
#include "mailroot/dns/resolver.h"
#include "mailroot/receive/admission.h"
#include "mailroot/receive/login_guard.h"
#include "mailroot/receive/session_list.h"
#include "mailroot/smtp/envelope.h"
#include "mailroot/spool/spool.h"
#include "mailroot/tls/context.h"

namespace mailroot::receive {

// Since start, written by the owning shard, read by control without a lock (relaxed).
struct Counters {
  std::atomic<uint64_t> connections{0};
  std::atomic<uint64_t> connections_refused{0};
  std::atomic<uint64_t> connections_open{0};
  std::atomic<uint64_t> messages{0};
  std::atomic<uint64_t> recipients{0};
  std::atomic<uint64_t> recipients_refused{0};
  std::atomic<uint64_t> bytes{0};
  std::atomic<uint64_t> messages_refused{0};
  std::atomic<uint64_t> tls_sessions{0};  // handshakes done
  std::atomic<uint64_t> tls_failures{0};
  std::atomic<uint64_t> logins{0};
  std::atomic<uint64_t> logins_failed{0};
  Histogram acceptance{kLatencyBounds};  // end of data to 250; the shard's own thread only
};

struct LoginAttempt {
  std::shared_ptr<const config::VirtualServer> settings;
  std::string user, password;
  IpAddress client;
  bool is_encrypted = false;
};

// Whether the attempt is Dovecot's to judge.
inline bool is_for_dovecot(const config::Authentication& settings, const std::string& user) {
  if (settings.dovecot.empty()) return false;
  return settings.users == nullptr || settings.users->find(user) == nullptr;
}

class Service {
 public:
  virtual ~Service() = default;

  // The newest settings; a session keeps what it began with, but policy is read anew at each MAIL
  // (decisions 30).
  virtual std::shared_ptr<const config::VirtualServer> settings() const = 0;
  // Nothing when a new connection from `peer` to `local` may be served, else the whole reply to
  // refuse it with ("421 4.3.2 ..."): paused, stopping, access.connect, or an address that another
  // virtual server claims (decisions 4).
  virtual std::optional<std::string> refusal(const SocketAddress& local,
                                             const SocketAddress& peer) const = 0;
  // Nothing when mail for `recipient` may be taken from `client`, else the whole reply.
  // `authenticated`: the client has shown who it is, by a certificate or by AUTH.
  virtual std::optional<std::string> relay_refusal(const smtp::Mailbox& recipient,
                                                   const IpAddress& client,
                                                   bool authenticated) const = 0;
  // Nothing when access.connect lets `client` be here, else the whole reply to its MAIL: asked each
  // time, so that a right that was revoked ends with the transaction (decisions 30).
  virtual std::optional<std::string> access_refusal(const IpAddress& client) const = 0;
  // On access.relay.allow: a client that submits mail (stamp_headers: auto).
  virtual bool is_relay_client(const IpAddress& client) const = 0;
  // For new connections; without a context there is no TLS.
  virtual tls::ServerTls tls() const = 0;
  // Whether it is this user's password, by users file or Dovecot as its settings say. Hashing takes
  // its time on another thread. Errc::limit: so many wait already that this one is to come back;
  // other errors: nobody could tell.
  virtual reactor::task<result<bool>> check_password(LoginAttempt attempt) = 0;
  virtual LoginGuard& login_guard() = 0;
  virtual dns::Resolver& resolver() = 0;
  // ETRN: begins to send what is kept for this domain ("@": and those below it) on all shards.
  // Nothing, or the whole reply that refuses it.
  virtual std::optional<std::string> send_kept(const std::string& domain) = 0;
  virtual spool::Spool& spool() = 0;
  virtual SlabPool& slabs() = 0;
  virtual Admission& admission() = 0;
  virtual Counters& counters() = 0;
  virtual log::Sink& log() = 0;
  // Null when protocol_log is off; for new sessions.
  virtual std::shared_ptr<log::ProtocolLog> protocol_log() = 0;
  // A message is durable; it is now the queue's. Never fails, never waits.
  virtual void accepted(const QueueId& id, const smtp::Envelope& envelope,
                        const spool::MessageTimes& times, uint64_t size_bytes) = 0;

  SessionList& sessions() { return sessions_; }

 private:
  SessionList sessions_;
};

}  // namespace mailroot::receive
