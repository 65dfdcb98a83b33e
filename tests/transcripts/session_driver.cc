#include "session_driver.h"

#include <algorithm>

#include "mailroot/smtp/limits.h"

namespace mailroot::smtp::test {

namespace {

SocketAddress client_address() { return *SocketAddress::parse("192.0.2.9:40000"); }

std::string_view name_of(BodyType body) {
  constexpr std::string_view kNames[] = {"7bit", "8bitmime", "binarymime"};
  return kNames[static_cast<size_t>(body)];
}

std::string describe(const Recipient& recipient) {
  std::string text = " " + to_path(recipient.address);
  if (recipient.notify.never) text += " notify=never";
  if (recipient.notify.success) text += " notify=success";
  if (recipient.notify.failure) text += " notify=failure";
  if (recipient.notify.delay) text += " notify=delay";
  if (!recipient.original_recipient.empty()) text += " orcpt=" + recipient.original_recipient;
  return text;
}

}  // namespace

std::string_view name_of(Question question) {
  constexpr std::string_view kNames[] = {"none",      "may_connect",   "may_mail",
                                         "may_relay", "begin_content", "commit",
                                         "send_kept", "authenticate",  "start_tls"};
  return kNames[static_cast<size_t>(question)];
}

std::string describe(const Envelope& envelope) {
  std::string text = to_path(envelope.reverse_path);
  if (envelope.body != BodyType::seven_bit) text += " body=" + std::string(name_of(envelope.body));
  if (envelope.smtputf8) text += " smtputf8";
  if (envelope.ret == Return::full) text += " ret=full";
  if (envelope.ret == Return::headers) text += " ret=hdrs";
  if (!envelope.envelope_id.empty()) text += " envid=" + envelope.envelope_id;
  if (envelope.declared_size_bytes)
    text += " size=" + std::to_string(*envelope.declared_size_bytes);
  text += " ->";
  for (const Recipient& recipient : envelope.recipients) text += describe(recipient);
  return text;
}

SessionDriver::SessionDriver(SessionRules rules) : session_(std::move(rules), client_address()) {}

void SessionDriver::expect(bool holds, std::string_view rule) {
  if (!holds) violations_.emplace_back(rule);
}

void SessionDriver::greet() {
  session_.greet(actions_);
  act();
}

void SessionDriver::send(std::string_view bytes) {
  while (!bytes.empty() && !is_closed_) {
    // A block of its own, so that a sanitizer sees a view that outlives its call.
    const std::string copy(bytes);
    actions_.clear();
    const bool was_somebody = !session_.user().empty();
    const size_t consumed = session_.feed(as_bytes(copy), actions_);
    const bool progress = consumed > 0 || actions_.question != Question::none || actions_.close;
    expect(consumed <= bytes.size(), "consumes no more than it is given");
    expect(progress, "feed consumes, asks or closes");
    note_user(was_somebody);
    act();
    if (!progress || waits_for_tls_) return;
    bytes.remove_prefix(consumed);
  }
}

void SessionDriver::tls_started(bool is_bound) {
  waits_for_tls_ = false;
  session_.tls_started();
  if (is_bound) session_.bind_channel({"exporter", "end point"}, true);
}

void SessionDriver::refuse_content(std::string reply) {
  if (!session_.content_is_streaming()) return;
  draft_open_ = false;
  draft_.clear();
  session_.refuse_content(std::move(reply));
}

void SessionDriver::time_out() {
  actions_.clear();
  session_.time_out(actions_);
  act();
}

void SessionDriver::shut_down() {
  actions_.clear();
  session_.shut_down(actions_);
  act();
}

void SessionDriver::peer_closed() {
  actions_.clear();
  session_.peer_closed(actions_);
  act();
}

size_t SessionDriver::asked(Question question) const {
  const auto row = asked_.find(question);
  return row == asked_.end() ? 0 : row->second;
}

Answer SessionDriver::next_answer(Question question) {
  const auto scripted = script_.find({question, asked_[question]++});
  if (scripted != script_.end()) return scripted->second;
  if (question == Question::authenticate) {
    Answer answer = decide ? decide(question) : Answer{};
    return answer.accept ? judge(session_.authentication()) : answer;
  }
  return decide ? decide(question) : Answer{.queue_id = "Q-1"};
}

// Everybody's password is "secret", their token "token", their certificate "from-certificate".
Answer SessionDriver::judge(const sasl::Request& request) {
  Answer no{.accept = false, .reply = "535 5.7.8 Authentication credentials invalid"};
  switch (request.kind) {
    case sasl::RequestKind::check_password:
      return request.secret == "secret" ? Answer{} : no;
    case sasl::RequestKind::scram_keys: {
      static const auto keys = sasl::make_scram_keys("pencil", "0123456789abcdef", 4096);
      return {.verdict = {.keys = keys, .nonce = "server"}};
    }
    case sasl::RequestKind::scram_proven:
      return {};
    case sasl::RequestKind::external:
      return {.user = "from-certificate"};
    case sasl::RequestKind::check_token:
      return request.secret == "token" ? Answer{.user = "from-token"} : no;
    case sasl::RequestKind::refuse:
      expect(!request.why.empty(), "a refusal says why");
      break;
  }
  return no;
}

void SessionDriver::take_reply(std::string_view reply) {
  while (!reply.empty()) {
    const size_t end = reply.find("\r\n");
    expect(end != reply.npos, "replies are whole lines");
    if (end == reply.npos) return;
    const std::string_view line = reply.substr(0, end);
    expect(line.size() + 2 <= kReplyLineMax, "a reply line has at most 512 octets");
    expect(std::ranges::none_of(line, [](unsigned char c) { return c < 0x20 || c == 0x7f; }),
           "no control character in a reply");
    expect(line.size() > 3 && (line[3] == ' ' || line[3] == '-'), "a reply has code and text");
    expect(!is_closed_, "nothing is said after closing");
    if (line.size() > 3 && line[3] == ' ') ++reply_lines_;
    log_.push_back("S: " + std::string(line));
    reply.remove_prefix(end + 2);
  }
}

void SessionDriver::take_commit() {
  expect(draft_open_, "commit needs a draft");
  draft_open_ = false;
  expect(!session_.envelope().recipients.empty(), "commit needs a recipient");
  Message message{session_.take_envelope(), std::move(draft_), false};
  draft_.clear();
  log_.push_back("E: " + describe(message.envelope));
  std::string_view rest = message.content;
  while (!rest.empty()) {
    const size_t end = std::min(rest.size(), rest.find("\r\n"));
    const bool ends_in_crlf = end < rest.size();
    log_.push_back((ends_in_crlf ? "D: " : "D- ") + std::string(rest.substr(0, end)));
    rest.remove_prefix(end + (ends_in_crlf ? 2 : 0));
  }
  messages_.push_back(std::move(message));
}

void SessionDriver::note_user(bool was_somebody) {
  if (was_somebody || session_.user().empty()) return;
  log_.push_back("U: " + session_.user() + " by " +
                 std::string(to_string(session_.auth_mechanism())));
}

// What the contract says a driver does after each call, again and again while questions come.
void SessionDriver::act() {
  while (true) {
    for (const ByteView piece : actions_.content) {
      expect(draft_open_, "content needs a draft");
      expect(!piece.empty(), "no empty pieces");
      draft_ += as_text(piece);
    }
    if (actions_.content_abandoned) {
      expect(draft_open_, "only an open draft is abandoned");
      draft_open_ = false;
      draft_.clear();
    }
    take_reply(actions_.reply);
    timer_ = actions_.timer;
    if (actions_.close && !is_closed_) {
      expect(!actions_.close_reason.empty(), "a close has its reason");
      log_.push_back("X: " + std::string(actions_.close_reason));
      is_closed_ = true;
    }
    const Question question = actions_.question;
    if (question == Question::none) return;
    expect(!is_closed_, "no question after closing");
    if (question == Question::start_tls) {
      waits_for_tls_ = true;
      return;
    }
    if (question == Question::may_relay || question == Question::begin_content) {
      expect(session_.in_transaction(), "a recipient or content belongs to a transaction");
    }
    if (question == Question::begin_content) {
      expect(!draft_open_, "one draft at a time");
      expect(!session_.envelope().recipients.empty(), "content needs a recipient");
    }
    if (question == Question::commit) take_commit();
    const Answer answer = next_answer(question);
    if (question == Question::begin_content && answer.accept) draft_open_ = true;
    if (question == Question::commit) messages_.back().accepted = answer.accept;
    actions_.clear();
    const bool was_somebody = !session_.user().empty();
    session_.answer(answer, actions_);
    note_user(was_somebody);
  }
}

}  // namespace mailroot::smtp::test
