// Connection: the one driver coroutine of an inbound connection. It carries bytes and answers
// between socket, smtp::ServerSession and spool, and decides nothing itself.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "mailroot/message/header_scan.h"
#include "mailroot/reactor/reactor.h"
#include "mailroot/receive/service.h"
#include "mailroot/smtp/server_session.h"
#include "mailroot/tls/channel.h"

namespace mailroot::receive {

// A connection that was admitted; `peer` is the client, whoever stands in front of it.
struct Arrived {
  reactor::Descriptor socket;
  SocketAddress local, peer;
  std::optional<SocketAddress> balancer;           // that speaks for the client (PROXY protocol)
  std::unique_ptr<reactor::ReceiveStream> stream;  // of `socket`
  std::string early = {};                          // of the client, read already
};

class Connection final : OpenSession {
 public:
  Connection(reactor::Reactor& reactor, Service& service, Arrived arrived,
             reactor::CancelScope* server_scope);
  // From the banner to the close. The socket is closed when it returns.
  reactor::task<void> run();

 private:
  enum class Next : uint8_t { go_on, close };

  SessionView view() const override;
  void end_by_operator() override;

  reactor::task<void> converse();
  reactor::task<bool> shake_hands();
  reactor::task<void> start_tls();
  reactor::task<Next> consume(ByteView input);
  reactor::task<Next> act();
  reactor::task<void> store_content();
  reactor::task<void> ask();
  reactor::task<void> commit();
  reactor::task<void> send_replies(Duration timeout);
  reactor::task<void> pause_while_memory_is_high(Duration longest);
  reactor::task<void> say_farewell(Error error);

  void finish_message();
  bool has_shown_certificate() const { return tls_identity_.has_value(); }
  std::string_view stop_reason() const;
  reactor::Wait input_wait();
  void answer(const smtp::Answer& answer);
  void begin_content();
  std::optional<std::string> mail_refusal();
  reactor::task<void> authenticate();
  void accept_login(const sasl::User* user, const std::string& name);
  void note_login_trouble(Error error);
  reactor::task<void> accept_certificate(std::string wanted);
  reactor::task<void> refuse_login(std::string user, std::string_view reason);
  std::optional<std::string> user_refusal() const;
  bool is_authenticated() const { return has_shown_certificate() || !session_.user().empty(); }
  // Of mail that it may send to foreign domains.
  bool is_submitter() const { return is_authenticated() || service_.is_relay_client(peer_.ip); }
  std::string time_of(Instant when) const;
  std::string nonce();
  reactor::task<void> look_up_client();
  bool append(ByteView piece);
  bool release_header(bool is_whole);
  void refuse_content();
  Duration reply_timeout() const;
  Instant input_deadline() const;
  bool body_is_too_slow() const;
  void log_accepted(const QueueId& id, const smtp::Envelope& envelope, uint64_t size_bytes,
                    Duration commit_time);
  void log_end();
  void log_exchanges();

  reactor::Reactor& reactor_;
  Service& service_;
  reactor::Descriptor socket_;
  std::unique_ptr<reactor::ReceiveStream> stream_;
  SocketAddress local_, peer_;
  std::optional<SocketAddress> balancer_;
  std::string early_;
  reactor::CancelScope scope_;
  reactor::CancelScope lookup_scope_;
  reactor::TaskGroup lookup_;
  std::optional<std::string> client_host_;  // once looked up
  std::shared_ptr<const config::VirtualServer> settings_;
  std::shared_ptr<log::ProtocolLog> protocol_log_;  // null: off
  config::Binding binding_;                         // it came in by
  tls::ServerTls tls_context_;
  std::unique_ptr<tls::Channel> tls_;        // null: in clear text
  std::string tls_version_;                  // once the handshake is done
  std::optional<std::string> tls_identity_;  // of the client's certificate, if that is good
  smtp::ServerSession session_;
  smtp::Actions actions_;
  std::unique_ptr<spool::Draft> draft_;
  std::optional<message::HeaderScan> header_scan_;
  std::optional<std::string> held_header_;
  std::string login_verifiers_;  // of the user, when it logged in
  bool login_by_dovecot_ = false;
  uint32_t failed_logins_ = 0;
  std::string content_refusal_;  // the reply, once the draft was given up
  std::string end_reason_;
  Instant opened_, waiting_since_, content_began_{};
  Instant stop_at_ = kNever;  // the end of a message that may finish although the server stops
  uint64_t bytes_in_ = 0;
  uint64_t content_began_bytes_ = 0;  // bytes_in_ then
  bool broken_ = false;               // nothing more can be sent
  bool ended_by_operator_ = false;
};

}  // namespace mailroot::receive
