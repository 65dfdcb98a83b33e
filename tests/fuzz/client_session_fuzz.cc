// A client session against a server that says anything at any time. The oracles: nobody is
// delivered without a 2yz after the whole content; every recipient given gets one outcome, once;
// what is sent is whole lines; nothing happens after the end.
#include <string>
#include <vector>

#include "fuzz.h"
#include "mailroot/smtp/client_session.h"
#include "mailroot/smtp/reply_parser.h"

using namespace mailroot;
using namespace mailroot::smtp;
using mailroot::fuzz::check;

namespace {

constexpr std::string_view kReplies[] = {
    "220 mx\r\n",
    "250 ok\r\n",
    "250-mx\r\n250-PIPELINING\r\n250-SIZE 5000\r\n250-8BITMIME\r\n250-DSN\r\n250 SMTPUTF8\r\n",
    "250-mx\r\n250-PIPELINING\r\n250-CHUNKING\r\n250-BINARYMIME\r\n250 LIMITS RCPTMAX=2\r\n",
    "250-mx\r\n250-STARTTLS\r\n250 CHUNKING\r\n",
    "354 go\r\n",
    "421 4.3.2 closing\r\n",
    "450 4.2.1 later\r\n",
    "452 4.5.3 too many\r\n",
    "550 5.1.1 no\r\n",
    "503 order\r\n",
    "554 5.7.1 refused\r\n",
    "221 bye\r\n",
    "25",
    "\r\n",
    "250 ok\r\n250 ok\r\n354 go\r\n",
    "250-mx\r\n250 AUTH SCRAM-SHA-256 XOAUTH2 CRAM-MD5 LOGIN\r\n",
    "250-mx\r\n250-STARTTLS\r\n250 AUTH PLAIN OAUTHBEARER\r\n",
    "334 \r\n",
    "334 cj1ub25jZXgscz1XMjJaYUowU05ZN3NvRXNVRWpiNmdRPT0saT00MDk2\r\n",
    "334 !\r\n",
    "235 2.7.0 ok\r\n",
    "535 5.7.8 no\r\n",
    "504 5.5.4 not that\r\n",
};

class Run {
 public:
  explicit Run(fuzz::Steering& steering) : steering_(steering), session_(rules(), "mx") {
    const size_t count = 1 + steering_.octet() % 5;
    envelope_.reverse_path = {.local_part = "ann", .domain = "example.com"};
    for (size_t i = 0; i < count; ++i)
      envelope_.recipients.push_back(
          {.address = {.local_part = "r" + std::to_string(i), .domain = "example.org"},
           .notify = {},
           .original_recipient = {}});
    const uint8_t kind = steering_.octet();
    envelope_.smtputf8 = (kind & 1) != 0;
    if ((kind & 2) != 0) envelope_.recipients[0].address.local_part = "\xC3\xA9";
    envelope_.body = static_cast<BodyType>((kind >> 2) % 3);
    traits_ = ContentTraits::assume(envelope_.body);
    traits_.downgradable = (kind & 16) != 0;
    size_bytes_ = (kind & 32) != 0 ? 100000 : 100;
  }

  void play() {
    session_.start(actions_);
    settle();
    while (!steering_.rest().empty()) step();
    if (!session_.is_closed()) session_.peer_closed("end of input", actions_);
    settle();
    check(session_.is_closed(), "a closed connection is the end");
    check(!session_.in_transaction() && open_ == 0, "every recipient has its outcome");
  }

 private:
  ClientRules rules() {
    const uint8_t flags = steering_.octet();
    ClientRules result;
    result.hello_name = "relay.example.com";
    result.hello_only = (flags & 1) != 0;
    result.use_pipelining = (flags & 2) == 0;
    result.use_chunking = (flags & 4) == 0;
    result.tls = static_cast<ClientTls>((flags >> 3) % 3);
    result.recipients_max = (flags & 32) != 0 ? 2 : 100;
    result.transactions_max = (flags & 64) != 0 ? 1 : 0;
    if ((flags & 128) != 0) result.authentication = login(steering_.octet());
    return result;
  }

  static std::shared_ptr<ClientAuthentication> login(uint8_t kinds) {
    auto login = std::make_shared<ClientAuthentication>();
    login->mechanisms.push_back(static_cast<sasl::ClientMechanism>(kinds % 6));
    for (unsigned i = 0; i < 6; ++i) {
      if ((kinds >> i & 1) != 0) login->mechanisms.push_back(static_cast<sasl::ClientMechanism>(i));
    }
    login->login.username = "user";
    login->login.secret = sasl::Secret("pencil");
    login->login.nonce = "nonce";
    login->allow_clear = (kinds & 64) != 0;
    return login;
  }

  void step() {
    const uint8_t op = steering_.octet();
    if (op < 0xC0) {
      feed(kReplies[op % std::size(kReplies)]);
    } else if (op < 0xD0) {
      const std::string bytes = {static_cast<char>(steering_.octet()),
                                 static_cast<char>(steering_.octet())};
      feed(bytes);
    } else if (op < 0xE0) {
      begin();
    } else if (op < 0xF4) {
      send_content();
    } else if (op < 0xF8) {
      shake_hands((op & 1) != 0);
    } else if (op < 0xFA) {
      if (content_asked_ && !session_.is_closed()) {
        content_asked_ = false;
        session_.content_failed("cannot be read", (op & 1) != 0, actions_);
      }
    } else if (op < 0xFC) {
      if (!session_.in_transaction()) session_.quit(actions_);
    } else if (op == 0xFC) {
      session_.time_out(actions_);
    } else if (op == 0xFD) {
      session_.peer_closed("reset", actions_);
    }
    settle();
  }

  void feed(std::string_view bytes) {
    const bool content_was_out = content_out_;
    heard_positive_ = false;
    // What the session may believe: a complete positive reply in what was fed since the content
    // went out.
    if (content_was_out) since_content_ += bytes;
    if (since_content_.find("2") != std::string::npos) heard_positive_ = content_was_out;
    session_.feed(as_bytes(bytes), actions_);
  }
  void begin() {
    if (session_.in_transaction() || session_.is_closed() || quitting_) return;
    Transaction transaction;
    transaction.envelope = &envelope_;
    for (uint32_t i = 0; i < envelope_.recipients.size(); ++i) transaction.recipients.push_back(i);
    transaction.size_bytes = size_bytes_;
    transaction.content = traits_;
    open_ = envelope_.recipients.size();
    content_asked_ = content_out_ = false;
    since_content_.clear();
    session_.begin(transaction, actions_);
  }
  void send_content() {
    if (!content_asked_ || session_.is_closed()) return;
    content_asked_ = false;
    content_out_ = true;
    session_.content_sent(actions_);
  }
  void shake_hands(bool works) {
    if (!handshake_) return;
    handshake_ = false;
    if (session_.is_closed()) return;
    if (works)
      session_.tls_started(actions_);
    else
      session_.tls_failed("no", actions_);
  }

  // Looks at the actions as a driver would, and clears them.
  void settle() {
    check(actions_.send.empty() || actions_.send.ends_with("\r\n"), "whole lines");
    check_hidden();
    for (size_t i = 0; i < actions_.send.size(); ++i) {
      if (actions_.send[i] == '\n') check(i > 0 && actions_.send[i - 1] == '\r', "CRLF");
      if (actions_.send[i] == '\r') check(actions_.send[i + 1] == '\n', "CRLF");
    }
    if (closed_) check(actions_.send.empty() && actions_.outcomes.empty(), "nothing after the end");
    if (actions_.send.find("QUIT\r\n") != std::string::npos) quitting_ = true;
    check(!(actions_.ready && actions_.close), "ready and closed exclude each other");
    check(!actions_.ready || !session_.in_transaction(), "ready is between transactions");
    if (!actions_.outcomes.empty()) {
      check(actions_.outcomes.size() == open_, "one outcome a recipient, all together");
      for (const DeliveryOutcome& outcome : actions_.outcomes) check_outcome(outcome);
      open_ = 0;
      content_asked_ = false;
    }
    if (actions_.content != ContentForm::none) {
      check(open_ > 0 && !content_asked_ && !content_out_, "content is asked for once");
      content_asked_ = true;
    }
    if (actions_.start_tls) handshake_ = true;
    closed_ = closed_ || actions_.close;
    actions_.clear();
  }
  // The password stands in hidden ranges alone, as it is and in base64.
  void check_hidden() {
    std::string shown;
    size_t at = 0;
    for (const HiddenRange& range : actions_.hidden) {
      check(range.begin >= at && range.begin + range.size <= actions_.send.size(), "a range of it");
      shown += actions_.send.substr(at, range.begin - at);
      at = range.begin + range.size;
    }
    shown += actions_.send.substr(at);
    for (const std::string_view secret : {"pencil", "cGVuY2ls", "AHVzZXIAcGVuY2ls"})
      check(shown.find(secret) == std::string::npos, "no secret in sight");
  }
  void check_outcome(const DeliveryOutcome& outcome) {
    check(outcome.recipient < envelope_.recipients.size(), "a recipient of the envelope");
    check(!outcome.enhanced_code.empty(), "always an enhanced code");
    check(outcome.text.size() <= kOutcomeTextMax, "bounded text");
    if (outcome.disposition != Disposition::delivered) return;
    check(content_out_, "delivered only after the content is out");
    check(heard_positive_, "delivered only by a 2yz");
    check(outcome.reply_code / 100 == 2, "delivered carries its 2yz");
  }

  fuzz::Steering& steering_;
  Envelope envelope_;
  ContentTraits traits_;
  uint64_t size_bytes_ = 0;
  ClientSession session_;
  ClientActions actions_;
  size_t open_ = 0;
  bool content_asked_ = false, content_out_ = false, heard_positive_ = false;
  bool handshake_ = false, quitting_ = false, closed_ = false;
  std::string since_content_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Steering steering(fuzz::as_text(data, size));
  Run(steering).play();
  return 0;
}
