// Writes the envelope block of a queue file; the format stands in queue_file.h.
#include <algorithm>
#include <bit>

#include "mailroot/base/assert.h"
#include "mailroot/message/trace.h"
#include "mailroot/smtp/grammar.h"
#include "queue_format.h"

namespace mailroot::message {

using namespace format;

bool is_open(RecipientStatus status) {
  return status == RecipientStatus::waiting || status == RecipientStatus::held;
}

bool is_resendable(RecipientStatus status) {
  return is_open(status) || status == RecipientStatus::failed;
}

namespace {

std::string number(uint64_t value, size_t width) {
  std::string digits = std::to_string(value);
  return digits.size() < width ? std::string(width - digits.size(), '0') + digits : digits;
}

std::string hexadecimal(uint32_t value) {
  std::string digits(kCrcWidth, '0');
  for (size_t i = kCrcWidth; i-- > 0; value >>= 4U) digits[i] = "0123456789abcdef"[value & 15U];
  return digits;
}

std::string printable(std::string_view text, size_t size_max) {
  std::string result(text.substr(0, size_max));
  std::ranges::replace_if(
      result, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == '\x7F'; }, '?');
  return result;
}

void put_line(std::string& out, std::string_view name, std::string_view value) {
  out += name;
  out += value;
  out += "\r\n";
}

// The grammar lets no line end into an address; here none may get into the block.
std::string path(const smtp::Mailbox& mailbox) {
  std::string text = smtp::to_path(mailbox);
  MAILROOT_ASSERT(text.find_first_of("\r\n") == std::string::npos, "an address is one line");
  return text;
}

std::string envelope_words(const smtp::Envelope& envelope) {
  std::string words;
  const auto add = [&](std::string_view word, std::string_view value) {
    if (!words.empty()) words += ' ';
    words += word;
    words += value;
  };
  if (envelope.ret != smtp::Return::unspecified)
    add("ret=", envelope.ret == smtp::Return::full ? "full" : "headers");
  if (!envelope.envelope_id.empty()) add("envid=", smtp::xtext_encode(envelope.envelope_id));
  if (envelope.body != smtp::BodyType::seven_bit)
    add("body=", envelope.body == smtp::BodyType::binary_mime ? "binarymime" : "8bitmime");
  if (envelope.smtputf8) add("smtputf8", "");
  if (envelope.declared_size_bytes) add("size=", std::to_string(*envelope.declared_size_bytes));
  return words;
}

std::string recipient_words(const smtp::Recipient& recipient) {
  std::string words;
  if (!recipient.notify.is_default()) {
    words = "notify=";
    for (const NotifyWord& notify : kNotifyWords) {
      if (!(recipient.notify.*notify.flag)) continue;
      if (words.back() != '=') words += ',';
      words += notify.word;
    }
  }
  if (!recipient.original_recipient.empty()) {
    if (!words.empty()) words += ' ';
    words += "orcpt=" + smtp::xtext_encode(recipient.original_recipient);
  }
  return words;
}

void put_padding(std::string& out, size_t end_size, size_t align) {
  if (align == 0) return;
  MAILROOT_ASSERT(align >= 64 && std::has_single_bit(align), "alignment is a power of two");
  const size_t missing = (align - (out.size() + end_size) % align) % align;
  if (missing == 0) return;
  const size_t smallest = kPad.size() + 2;
  const size_t line = missing < smallest ? missing + align : missing;
  put_line(out, kPad, std::string(line - smallest, '.'));
}

}  // namespace

std::string encode_times(const QueueFileHeader& header) {
  return "arrived=" + iso_time(header.arrived_at) + " basis=" + iso_time(header.expiry_basis_at) +
         " next=" + iso_time(header.next_attempt_at) +
         " attempts=" + number(header.attempts, kAttemptsWidth) +
         (header.delay_notified ? " told=1" : " told=0");
}

std::string encode_content(const QueueFileHeader& header) {
  std::string value = "size=";
  value += header.content_size_bytes ? number(*header.content_size_bytes, kSizeWidth)
                                     : std::string(kSizeWidth, '-');
  value += " crc32c=";
  value +=
      header.content_crc32c ? hexadecimal(*header.content_crc32c) : std::string(kCrcWidth, '-');
  value += " traits=";
  for (const TraitLetter& trait : kTraitLetters)
    value += header.traits.*trait.flag ? trait.letter : '-';
  return value;
}

std::string encode_last(const QueueFileHeader& header) {
  std::string value = printable(header.last_reply, kQueueLastMax);
  value.resize(kQueueLastMax, ' ');
  return value;
}

std::string encode_status(const QueueFileHeader& header) {
  std::string letters;
  letters.reserve(header.status.size());
  for (const RecipientStatus status : header.status) letters += static_cast<char>(status);
  return letters;
}

EncodedQueueHeader encode_queue_header(const QueueFileHeader& header, size_t align) {
  const smtp::Envelope& envelope = header.envelope;
  MAILROOT_ASSERT(header.status.size() == envelope.recipients.size(), "one letter a recipient");
  MAILROOT_ASSERT(!envelope.recipients.empty(), "a message has recipients");
  EncodedQueueHeader result;
  std::string& out = result.bytes;
  out.reserve(800 + 64 * envelope.recipients.size());
  const std::string id = to_string(header.id);

  put_line(out, kId, id);
  put_line(out, kFormat, kVersion);
  put_line(out, kSender, path(envelope.reverse_path));
  const std::string words = envelope_words(envelope);
  if (!words.empty()) put_line(out, kEnvelope, words);
  for (const smtp::Recipient& recipient : envelope.recipients) {
    put_line(out, kReceiver, path(recipient.address));
    const std::string options = recipient_words(recipient);
    if (!options.empty()) put_line(out, kOptions, options);
  }
  if (!header.origin.empty()) put_line(out, kOrigin, printable(header.origin, kQueueOriginMax));
  result.layout.times_offset = out.size() + kTimes.size();
  put_line(out, kTimes, encode_times(header));
  result.layout.content_offset = out.size() + kContent.size();
  put_line(out, kContent, encode_content(header));
  result.layout.last_offset = out.size() + kLast.size();
  put_line(out, kLast, encode_last(header));
  result.layout.status_offset = out.size() + kStatus.size();
  put_line(out, kStatus, encode_status(header));
  put_padding(out, kEnd.size() + id.size() + 2, align);
  put_line(out, kEnd, id);
  result.layout.block_size = out.size();
  return result;
}

}  // namespace mailroot::message
