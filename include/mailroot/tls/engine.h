// Engine: one TLS connection as a machine over bytes (RFC 5246, 8446). Ciphertext in, plaintext
// out, and the reverse; no socket, no clock of ours. OpenSSL reads and writes our buffers through a
// BIO of its own (decisions 32). One per connection, on its shard.
//
//   shaking --done--> open --close_notify--> ended        failed from anywhere, and stays so
#pragma once

#include <expected>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "mailroot/base/bytes.h"
#include "mailroot/tls/context.h"

struct ssl_st;

namespace mailroot::tls {

enum class Progress : uint8_t {
  done,         // handshake: the connection is open
  wants_input,  // nothing more can be done before ciphertext arrives
  ended,        // the peer said close_notify
  failed,       // why() says what
};

// A TLSA record (RFC 6698 2.1) that DNSSEC vouches for.
struct DaneRecord {
  uint8_t usage = 0, selector = 0, matching_type = 0;
  std::string data;
};

class Engine {
 public:
  // For a connection that came in.
  Engine(ServerTls server, config::TlsProfile profile);
  // For one that goes out. `host` is sent as SNI when it is a name; with a context that verifies,
  // the certificate must have one of `names` (never empty then).
  Engine(std::shared_ptr<const ClientContext> context, const std::string& host,
         const std::vector<std::string>& names);
  // The same towards a host with TLSA records (RFC 7672), of which there is at least one: the
  // certificate must be one that they name. If none of them can be used, any is good (2.2).
  Engine(std::shared_ptr<const ClientContext> context, const std::string& host,
         const std::vector<std::string>& names, const std::vector<DaneRecord>& records);
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // What arrived. The bytes must stay until shake() or read() has said wants_input or failed, and
  // only then may more be given.
  void give(ByteView ciphertext);
  bool has_input() const { return input_size_ > 0; }
  Progress shake();
  // Into `plain`: how many bytes, or why none.
  std::expected<size_t, Progress> read(std::span<std::byte> plain);
  // Plaintext becomes ciphertext in output(). Only while open. False: failed.
  bool write(ByteView plain);
  void close();  // close_notify into output()
  // To be sent as it stands, after each of the calls above. Cleared by output_sent().
  std::string& output() { return output_; }
  void output_sent();

  // The peer is who it should be: by authority and name, or by TLSA records.
  bool is_verified() const { return has_opened_ && verifies_; }
  bool is_open() const { return is_open_; }
  const std::string& why() const { return why_; }
  std::string_view version() const;  // "TLSv1.3"; once open
  std::string_view cipher() const;   // as registered: "TLS_AES_256_GCM_SHA384"
  bool is_resumed() const;
  // The peer's certificate, if it showed one and it is good.
  struct PeerIdentity {
    std::string subject;      // the first DNS name, mail address, or the common name
    std::string fingerprint;  // SHA-256 of it, 64 lower case hexadecimal digits
  };
  std::optional<PeerIdentity> peer_identity() const;
  // Data that binds authentication to this connection: RFC 9266 tls-exporter for TLS 1.3, else
  // nothing.
  std::string channel_binding() const;

 private:
  friend struct EngineBio;
  friend struct TicketCallback;
  void begin();
  Progress failure(int result);

  ServerTls server_;
  std::shared_ptr<const ClientContext> client_context_;
  std::vector<std::string> names_;  // the peer must have one of them; empty: it is not asked
  ssl_st* ssl_ = nullptr;
  const std::byte* input_ = nullptr;
  size_t input_size_ = 0;
  std::string output_;
  std::string why_;
  bool verifies_ = false;
  bool is_open_ = false;
  bool has_opened_ = false;  // also when it has ended
};

}  // namespace mailroot::tls
