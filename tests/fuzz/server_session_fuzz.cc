// A whole server session: any octets, any cuts, any answers.
//
// Input: one octet of rules, one octet N and N octets of answers (used in turn), then the client's
// octets. 0xF5, which no UTF-8 has, and an octet after it are an event: a cut, a time-out, ...
#include <algorithm>
#include <string>
#include <vector>

#include "fuzz.h"
#include "mailroot/smtp/limits.h"
#include "session_driver.h"

using namespace mailroot;
using namespace mailroot::smtp;
using mailroot::fuzz::check;
using test::SessionDriver;

namespace {

constexpr char kEvent = '\xf5';
constexpr std::string_view kQueued = " Queued mail for delivery";

enum class Cuts { as_given, whole, octets };

SessionRules rules_of(uint8_t flags) {
  SessionRules rules;
  rules.fqdn = "mx.test";
  rules.default_domain = (flags & 1) != 0 ? "here.test" : "";
  rules.size_limit_bytes = (flags & 2) != 0 ? 100 : 0;
  rules.session_size_limit_bytes = (flags & 4) != 0 ? 200 : 0;
  rules.recipients_max = 3;
  rules.errors_max = (flags & 8) != 0 ? 5 : 0;
  rules.junk_max = (flags & 8) != 0 ? 8 : 0;
  rules.transactions_max = (flags & 8) != 0 ? 3 : 0;
  rules.normalise_bare_line_feed = (flags & 16) != 0;
  rules.offer_start_tls = (flags & 32) != 0;
  rules.disabled_keywords = (flags & 64) != 0 ? "CHUNKING 8BITMIME DSN SIZE" : "";
  if ((flags & 128) != 0) {
    for (const sasl::Mechanism mechanism : sasl::kMechanisms) rules.auth_mechanisms.add(mechanism);
    rules.auth_needs_tls = rules.offer_start_tls;
    rules.requires_authentication = (flags & 1) != 0;
  }
  return rules;
}

class Session {
 public:
  explicit Session(std::string_view input)
      : steering_(input), driver_(rules_of(steering_.octet())) {
    for (size_t n = steering_.octet() % 16; n > 0; --n) answers_.push_back(steering_.octet());
    driver_.decide = [this](Question) { return answer(); };
  }

  void run(Cuts cuts) {
    driver_.greet();
    std::string_view rest = steering_.rest();
    while (!rest.empty() && !driver_.is_closed()) {
      const size_t event = std::min(rest.size(), rest.find(kEvent));
      pending_ += rest.substr(0, event);
      rest.remove_prefix(event);
      if (rest.empty()) break;
      const uint8_t kind = rest.size() > 1 ? static_cast<uint8_t>(rest[1]) : 0;
      rest.remove_prefix(std::min<size_t>(rest.size(), 2));
      if (kind % 8 < 3) {
        if (cuts == Cuts::as_given) flush(cuts);
      } else {
        flush(cuts);
        happen(kind % 8);
      }
    }
    flush(cuts);
    check_rules();
  }

  const SessionDriver& driver() const { return driver_; }
  bool may_start_tls() const { return saw_tls_; }

 private:
  Answer answer() {
    const uint8_t choice = answers_.empty() ? 0 : answers_[answered_ % answers_.size()];
    ++answered_;
    switch (choice % 8) {
      case 1:
        return {.accept = false, .reply = "550 5.7.1 no\r\n250 forged"};
      case 2:
        return {.accept = false, .reply = "451 4.3.0 later"};
      case 3:
        return {.accept = false, .reply = "421 4.3.2 gone"};
      case 4:
        return {.queue_id = "Q" + std::to_string(answered_), .close_after = true};
      default:
        return {.queue_id = "Q" + std::to_string(answered_)};
    }
  }

  void flush(Cuts cuts) {
    sent_ += pending_.size();
    line_feeds_ += static_cast<size_t>(std::ranges::count(pending_, '\n'));
    if (cuts == Cuts::octets) {
      for (const char& octet : pending_) send({&octet, 1});
    } else {
      send(pending_);
    }
    pending_.clear();
  }

  void send(std::string_view octets) {
    driver_.send(octets);
    if (!driver_.waits_for_tls()) return;
    saw_tls_ = true;
    driver_.tls_started(true);
  }

  void happen(unsigned kind) {
    if (kind == 3) driver_.time_out();
    if (kind == 4) driver_.shut_down();
    if (kind == 5) driver_.peer_closed();
    if (kind >= 6 && driver_.session().content_is_streaming())
      driver_.refuse_content("452 4.3.1 full");
  }

  void check_rules() {
    for (const std::string& broken : driver_.violations()) check(false, broken.c_str());
    size_t queued = 0;
    for (const std::string& entry : driver_.log()) {
      if (entry.starts_with("S: 250") && entry.ends_with(kQueued)) ++queued;
    }
    const auto accepted = static_cast<size_t>(
        std::ranges::count(driver_.messages(), true, &SessionDriver::Message::accepted));
    check(queued == accepted, "250 for content answers an accepted commit, each its own");
    // The banner, one reply a line or over-long stretch, one 421 or TLS refusal at the end.
    check(driver_.reply_lines() <= 2 + line_feeds_ + sent_ / kCommandLineMax,
          "no reply without a command");
    for (const SessionDriver::Message& message : driver_.messages()) check_message(message);
  }

  static void check_message(const SessionDriver::Message& message) {
    check(!message.envelope.recipients.empty() && message.envelope.recipients.size() <= 3,
          "recipients within the limit");
    if (message.envelope.body == BodyType::binary_mime) return;
    char last = ' ';
    for (char c : message.content) {
      check((c == '\n') == (last == '\r'), "only CRLF in committed text");
      last = c;
    }
    check(last != '\r', "no CR at the end of committed text");
  }

  fuzz::Steering steering_;
  SessionDriver driver_;
  std::vector<uint8_t> answers_;
  std::string pending_;
  size_t answered_ = 0;
  size_t sent_ = 0;
  size_t line_feeds_ = 0;
  bool saw_tls_ = false;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input = fuzz::as_text(data, size);
  Session given(input);
  given.run(Cuts::as_given);
  Session whole(input);
  whole.run(Cuts::whole);
  Session octets(input);
  octets.run(Cuts::octets);
  // What stands behind STARTTLS in one read is dropped, so there the cuts matter.
  if (given.may_start_tls() || whole.may_start_tls() || octets.may_start_tls()) return 0;
  check(whole.driver().log() == octets.driver().log(), "the same octet by octet");
  check(whole.driver().log() == given.driver().log(), "the same however it is cut");
  return 0;
}
