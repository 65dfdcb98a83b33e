#include "dialogue.h"

#include <sysexits.h>

#include <utility>

#include "mailroot/submit/limits.h"

namespace mailroot::sendmail {

namespace {

smtp::SessionRules rules_for(const std::string& mailname) {
  smtp::SessionRules rules;
  rules.fqdn = mailname;
  rules.default_domain = mailname;
  rules.size_limit_bytes = submit::kContentMax;
  rules.recipients_max = submit::kRecipientsMax;
  // A submission has lines, and one set of delivery status options for all its recipients.
  rules.disabled_keywords = "BINARYMIME DSN";
  return rules;
}

SocketAddress nobody_by_network() { return {IpAddress::v4(0x7F000001), 0}; }

}  // namespace

Dialogue::Dialogue(const std::string& mailname, Submit submit)
    : submit_(std::move(submit)), session_(rules_for(mailname), nobody_by_network()) {}

std::string Dialogue::greet() {
  session_.greet(actions_);
  act();
  return std::exchange(actions_.reply, {});
}

std::string Dialogue::feed(std::string_view input) {
  while (!input.empty() && !actions_.close) {
    input.remove_prefix(session_.feed(as_bytes(input), actions_));
    act();
  }
  return std::exchange(actions_.reply, {});
}

// Until the session asks nothing more. Who may use the program at all may send anywhere.
void Dialogue::act() {
  while (true) {
    if (actions_.content_abandoned) content_.clear();
    for (const ByteView piece : actions_.content) content_ += as_text(piece);
    actions_.content.clear();
    const smtp::Question question = actions_.question;
    if (actions_.close || question == smtp::Question::none) return;
    if (question == smtp::Question::begin_content) content_.clear();
    session_.answer(question == smtp::Question::commit ? commit() : smtp::Answer{}, actions_);
  }
}

smtp::Answer Dialogue::commit() {
  const smtp::Envelope envelope = session_.take_envelope();
  submit::Request request;
  request.sender = smtp::to_path(envelope.reverse_path);
  for (const smtp::Recipient& recipient : envelope.recipients)
    request.recipients.push_back(smtp::to_path(recipient.address));
  request.size_bytes = content_.size();
  const submit::Failure done = submit_(request, std::exchange(content_, {}));
  smtp::Answer answer;
  if (done.code == EX_OK) {
    answer.queue_id = done.text;
    return answer;
  }
  const bool is_for_good =
      done.code == EX_DATAERR || done.code == EX_NOUSER || done.code == EX_USAGE;
  answer.accept = false;
  answer.reply = (is_for_good ? "554 5.6.0 " : "451 4.3.0 ") + done.text;
  return answer;
}

}  // namespace mailroot::sendmail
