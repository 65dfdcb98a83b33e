// One outbound SMTP connection: drives smtp::ClientSession over a socket.
//
//   open --> [deliver | rest]* --> quit        is_usable() false at any time: only close() is left
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "login.h"
#include "mailroot/config/snapshot.h"
#include "mailroot/message/header_scan.h"
#include "mailroot/reactor/reactor.h"
#include "mailroot/smtp/client_session.h"
#include "mailroot/spool/spool.h"
#include "mailroot/tls/channel.h"
#include "outbound_tls.h"
#include "outcomes.h"
#include "protocol_trace.h"

namespace mailroot::deliver {

// What is sent; both outlive the call.
struct Payload {
  spool::Content* content = nullptr;
  message::HeaderFacts header;  // for a downgrade
};

class ContentSender;

// Owned by one courier. close() must have completed before it dies.
class Connection {
 public:
  Connection(reactor::Reactor& reactor, std::shared_ptr<const config::VirtualServer> settings,
             Target target, OutboundTls tls, bool hello_only, LoginPass login,
             std::shared_ptr<log::ProtocolLog> protocol_log, reactor::CancelScope& scope);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Connects; the greeting is awaited by the first deliver(). Errc::exists: the other end is this
  // server itself.
  reactor::task<result<void>> open();
  // One transaction; an outcome per recipient.
  reactor::task<std::vector<smtp::DeliveryOutcome>> deliver(smtp::Transaction transaction,
                                                            const Payload& payload);
  // QUIT, if the peer still listens, and close.
  reactor::task<void> quit();
  reactor::task<void> close();

  // Between transactions, and another one is allowed. Takes note of what arrived meanwhile.
  bool is_usable();
  // The peer got as far as taking MAIL at least once.
  bool has_greeted() const { return has_greeted_ || session_.transactions() > 0; }
  // The newest transaction ended without a word of the peer, on a connection used before: it had
  // been closed while idle.
  bool was_stale() const { return was_stale_; }
  // The end of the content was on its way when the newest transaction ended: without a reply to it
  // the peer may have taken the message all the same (RFC 1047).
  bool has_sent_all() const { return has_sent_all_; }
  bool was_cancelled() const { return was_cancelled_; }
  // The next hop has all of the message, whichever of its pipelined replies is being waited for: to
  // cut now would make it likely that it is sent twice.
  bool awaits_final_reply() const {
    return has_sent_all_ || actions_.timer == smtp::ClientTimer::data_termination;
  }
  // The handshake failed, and the same host may be asked again in clear text.
  bool wants_clear_text() const { return tls_has_failed_ && wanted_tls_.may_fall_back; }
  // Null: in clear text.
  const tls::Engine* tls() const { return tls_ == nullptr ? nullptr : &tls_->engine(); }
  bool is_idle() const { return !session_.in_transaction(); }
  uint32_t transactions() const { return session_.transactions(); }
  Instant opened_at() const { return opened_at_; }
  const Target& target() const { return target_; }
  // The host does not know name, password or token (RFC 4954 6: 535); not that it is busy.
  bool was_login_refused() const { return login_reply_ == 535; }
  const LoginPass& login() const { return login_; }
  const std::string& close_detail() const { return close_detail_; }
  smtp::CloseReason close_reason() const { return close_reason_; }
  uint64_t bytes_sent() const { return bytes_sent_; }

 private:
  reactor::task<void> drive(std::vector<smtp::DeliveryOutcome>* outcomes);
  reactor::task<void> send_commands(std::string commands, bool is_secret);
  reactor::task<void> send_with_content(std::string commands, smtp::ContentForm form);
  reactor::task<bool> send_content(ContentSender& sender, Instant end);
  reactor::task<bool> send_views(std::span<const iovec> views, Instant deadline);
  reactor::task<void> receive();
  reactor::task<std::optional<std::string>> shake_hands();
  reactor::task<void> start_tls();
  void feed_ready();
  std::optional<ByteView> take_ready(reactor::BufferLease& lease);
  void take_end(const Error& error);
  Duration timeout() const;
  void begin_reply();

  reactor::Reactor& reactor_;
  std::shared_ptr<const config::VirtualServer> settings_;
  Target target_;
  LoginPass login_;
  reactor::CancelScope& scope_;
  ProtocolTrace trace_;
  smtp::ClientSession session_;
  smtp::ClientActions actions_;
  const Payload* payload_ = nullptr;
  reactor::Descriptor socket_ = reactor::kNoDescriptor;
  std::optional<reactor::ReceiveStream> stream_;
  OutboundTls wanted_tls_;
  std::unique_ptr<tls::Channel> tls_;  // null: in clear text
  Instant opened_at_{};
  Instant reply_limit_{};     // however it trickles in
  Instant reply_deadline_{};  // for the next line of it
  smtp::CloseReason close_reason_ = smtp::CloseReason::none;
  std::string close_detail_;
  uint64_t bytes_sent_ = 0;
  uint64_t bytes_heard_ = 0;  // in this transaction
  bool tls_has_failed_ = false;
  bool has_greeted_ = false;
  bool has_sent_all_ = false;
  bool was_stale_ = false;
  bool was_cancelled_ = false;
  bool is_closed_ = false;
  uint16_t login_reply_ = 0;
};

}  // namespace mailroot::deliver
