// Before the first byte of a transaction: can this host take the message at all, in which form, and
// with which parameters of MAIL and RCPT.
#include <algorithm>

#include "client_state.h"
#include "mailroot/smtp/grammar.h"

namespace mailroot::smtp {

namespace {

// The grammar lets no control character into an address, and here none can get onto the wire.
bool is_sendable(std::string_view path) {
  return std::ranges::none_of(path, [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 || byte == 0x7F;
  });
}

bool is_ascii_mailbox(const Mailbox& mailbox) {
  return is_ascii(mailbox.local_part) && is_ascii(mailbox.domain);
}

DeliveryOutcome refusal(OutcomeScope scope, std::string_view enhanced_code, std::string_view text) {
  return local_outcome(Disposition::failed, Stage::local, scope, enhanced_code, text);
}

std::string notify_value(const Notify& notify) {
  if (notify.never) return "NEVER";
  std::string value;
  const auto add = [&](bool wanted, std::string_view word) {
    if (!wanted) return;
    if (!value.empty()) value += ',';
    value += word;
  };
  add(notify.success, "SUCCESS");
  add(notify.failure, "FAILURE");
  add(notify.delay, "DELAY");
  return value;
}

}  // namespace

// Settles what cannot be sent; true if anything is left to do.
bool ClientSession::State::check_transaction() {
  const Envelope& envelope = *transaction.envelope;
  const ContentTraits& traits = transaction.content;
  constexpr OutcomeScope kMessage = OutcomeScope::message;

  const bool size_known = offers.size && offers.size_limit_bytes > 0;
  if (size_known && transaction.size_bytes > offers.size_limit_bytes)
    message_outcome = refusal(kMessage, "5.3.4",
                              "the message is larger (" + std::to_string(transaction.size_bytes) +
                                  " bytes) than the server accepts (" +
                                  std::to_string(offers.size_limit_bytes) + ")");

  const std::string sender = to_path(envelope.reverse_path);
  if (!is_sendable(sender))
    message_outcome = refusal(kMessage, "5.1.7", "the sender's address cannot be sent");

  utf8 = offers.smtputf8 && envelope.smtputf8;
  if (!is_ascii_mailbox(envelope.reverse_path)) {
    if (offers.smtputf8)
      utf8 = true;
    else
      message_outcome =
          refusal(kMessage, "5.6.7", "the sender's address needs SMTPUTF8, which the server lacks");
  }
  if (envelope.smtputf8 && traits.eight_bit_header && !offers.smtputf8)
    message_outcome =
        refusal(kMessage, "5.6.7", "the header section needs SMTPUTF8, which the server lacks");

  const bool declared_binary = envelope.body == BodyType::binary_mime;
  binary = traits.is_binary() || (declared_binary && traits.long_line);
  if (binary && !(offers.chunking && offers.binary_mime))
    message_outcome =
        refusal(kMessage, "5.6.1", "the content is binary, and the server lacks BINARYMIME");

  form = binary || (offers.chunking && rules.use_chunking) ? ContentForm::bdat : ContentForm::data;
  if (traits.eight_bit_body && !binary && !offers.eight_bit_mime) {
    if (traits.downgradable)
      form = ContentForm::data_downgraded;
    else if (envelope.body != BodyType::seven_bit)
      message_outcome =
          refusal(kMessage, "5.6.3", "the content is 8-bit, and the server lacks 8BITMIME");
  }
  if (message_outcome) return false;

  for (ClientRecipient& recipient : recipients) {
    const Mailbox& address = envelope.recipients[recipient.index].address;
    if (!is_sendable(to_path(address)))
      recipient.outcome =
          refusal(OutcomeScope::recipient, "5.1.3", "the recipient's address cannot be sent");
    else if (is_ascii_mailbox(address))
      continue;
    else if (offers.smtputf8)
      utf8 = true;
    else
      recipient.outcome = refusal(OutcomeScope::recipient, "5.6.7",
                                  "the recipient's address needs SMTPUTF8, which the server lacks");
  }
  return std::ranges::any_of(recipients, [](const auto& r) { return !r.outcome; });
}

std::string ClientSession::State::mail_command() const {
  const Envelope& envelope = *transaction.envelope;
  std::string line = "MAIL FROM:" + to_path(envelope.reverse_path);
  // The size after a downgrade is not known before it is done.
  if (offers.size && form != ContentForm::data_downgraded)
    line += " SIZE=" + std::to_string(transaction.size_bytes);
  if (binary)
    line += " BODY=BINARYMIME";
  else if (offers.eight_bit_mime && form != ContentForm::data_downgraded &&
           (envelope.body != BodyType::seven_bit || transaction.content.eight_bit_body ||
            transaction.content.eight_bit_header))
    line += " BODY=8BITMIME";
  if (utf8) line += " SMTPUTF8";
  if (offers.dsn) {
    if (envelope.ret != Return::unspecified)
      line += envelope.ret == Return::full ? " RET=FULL" : " RET=HDRS";
    if (!envelope.envelope_id.empty()) line += " ENVID=" + xtext_encode(envelope.envelope_id);
  }
  return line;
}

std::string ClientSession::State::rcpt_command(const Recipient& recipient) const {
  std::string line = "RCPT TO:" + to_path(recipient.address);
  if (offers.dsn) {
    if (!recipient.notify.is_default()) line += " NOTIFY=" + notify_value(recipient.notify);
    if (!recipient.original_recipient.empty()) {
      // addr-type ";" xtext: the type is an atom and stays as it is.
      const size_t split = recipient.original_recipient.find(';');
      if (split != std::string::npos)
        line += " ORCPT=" + recipient.original_recipient.substr(0, split + 1) +
                xtext_encode(std::string_view(recipient.original_recipient).substr(split + 1));
    }
  }
  return line;
}

}  // namespace mailroot::smtp
