// Reads the envelope block of a queue file. Strict: whatever encode_queue_header would not have
// written is damage, because a guess about an envelope is mail to the wrong place.
#include <algorithm>
#include <charconv>

#include "mailroot/message/trace.h"
#include "mailroot/smtp/grammar.h"
#include "queue_format.h"

namespace mailroot::message {

using namespace format;

namespace {

template <class Number>
bool read_number(std::string_view text, Number& number, int base = 10) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, base);
  return error == std::errc() && end == text.data() + text.size() && !text.empty();
}

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == '\x7F'; }

// Takes `prefix` off `text`.
bool take(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

// Takes `width` bytes off `text`.
bool take_width(std::string_view& text, size_t width, std::string_view& taken) {
  if (text.size() < width) return false;
  taken = text.substr(0, width);
  text.remove_prefix(width);
  return true;
}

bool take_time(std::string_view& text, std::string_view name, WallTime& time) {
  std::string_view value;
  if (!take(text, name) || !take_width(text, kTimeWidth, value)) return false;
  const std::optional<WallTime> parsed = parse_iso_time(value);
  if (parsed) time = *parsed;
  return parsed.has_value();
}

bool read_path(std::string_view text, bool null_path, smtp::Mailbox& mailbox) {
  smtp::AddressRules rules;
  rules.smtputf8 = true;
  rules.null_path = null_path;
  const auto parsed = smtp::parse_path(text, rules);
  if (!parsed || parsed->length != text.size()) return false;
  mailbox = parsed->mailbox;
  return true;
}

bool read_xtext(std::string_view text, std::string& value) {
  std::optional<std::string> decoded = smtp::xtext_decode(text);
  if (!decoded || decoded->empty()) return false;
  value = *std::move(decoded);
  return true;
}

bool read_envelope_word(std::string_view word, smtp::Envelope& envelope) {
  if (word == "ret=full") {
    envelope.ret = smtp::Return::full;
  } else if (word == "ret=headers") {
    envelope.ret = smtp::Return::headers;
  } else if (word == "body=8bitmime") {
    envelope.body = smtp::BodyType::eight_bit_mime;
  } else if (word == "body=binarymime") {
    envelope.body = smtp::BodyType::binary_mime;
  } else if (word == "smtputf8") {
    envelope.smtputf8 = true;
  } else if (take(word, "envid=")) {
    return read_xtext(word, envelope.envelope_id);
  } else if (take(word, "size=")) {
    uint64_t size = 0;
    if (!read_number(word, size)) return false;
    envelope.declared_size_bytes = size;
  } else {
    return false;
  }
  return true;
}

bool read_notify(std::string_view text, smtp::Notify& notify) {
  while (!text.empty()) {
    const size_t end = std::min(text.find(','), text.size());
    const std::string_view word = text.substr(0, end);
    const auto found = std::ranges::find(kNotifyWords, word, &NotifyWord::word);
    if (found == kNotifyWords.end()) return false;
    notify.*found->flag = true;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return !notify.is_default() &&
         !(notify.never && (notify.success || notify.failure || notify.delay));
}

bool read_recipient_word(std::string_view word, smtp::Recipient& recipient) {
  if (take(word, "notify=")) return read_notify(word, recipient.notify);
  if (take(word, "orcpt=")) return read_xtext(word, recipient.original_recipient);
  return false;
}

// Calls `read` with each of the words of a line; false if one fails.
template <class Read>
bool read_words(std::string_view text, Read read) {
  while (!text.empty()) {
    const size_t end = std::min(text.find(' '), text.size());
    if (!read(text.substr(0, end))) return false;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return true;
}

bool read_times(std::string_view text, QueueFileHeader& header) {
  std::string_view attempts;
  if (!take_time(text, "arrived=", header.arrived_at)) return false;
  if (!take_time(text, " basis=", header.expiry_basis_at)) return false;
  if (!take_time(text, " next=", header.next_attempt_at)) return false;
  if (!take(text, " attempts=") || !take_width(text, kAttemptsWidth, attempts)) return false;
  if (!read_number(attempts, header.attempts)) return false;
  header.delay_notified = text == " told=1";
  return header.delay_notified || text == " told=0";
}

bool read_content(std::string_view text, QueueFileHeader& header) {
  std::string_view size;
  std::string_view crc;
  if (!take(text, "size=") || !take_width(text, kSizeWidth, size)) return false;
  if (!take(text, " crc32c=") || !take_width(text, kCrcWidth, crc)) return false;
  if (!take(text, " traits=") || text.size() != kTraitLetters.size()) return false;
  if (size.find_first_not_of('-') != std::string_view::npos) {
    uint64_t number = 0;
    if (!read_number(size, number)) return false;
    header.content_size_bytes = number;
  }
  if (crc.find_first_not_of('-') != std::string_view::npos) {
    uint32_t number = 0;
    if (!read_number(crc, number, 16)) return false;
    header.content_crc32c = number;
  }
  for (size_t i = 0; i < kTraitLetters.size(); ++i) {
    if (text[i] != '-' && text[i] != kTraitLetters[i].letter) return false;
    header.traits.*kTraitLetters[i].flag = text[i] != '-';
  }
  return true;
}

bool read_status(std::string_view text, QueueFileHeader& header) {
  for (const char letter : text) {
    if (std::string_view("WHDFB").find(letter) == std::string_view::npos) return false;
    header.status.push_back(static_cast<RecipientStatus>(letter));
  }
  return header.status.size() == header.envelope.recipients.size();
}

// Goes line by line through the block in its fixed order.
class BlockReader {
 public:
  explicit BlockReader(std::string_view text) : text_(text) {}

  std::expected<ParsedQueueHeader, QueueParseFailure> read();

 private:
  bool fail(QueueParseError error, std::string_view detail) {
    failure_ = {.error = error, .detail = detail};
    return false;
  }
  // The value of the line `name`, which must come next.
  bool line(std::string_view name, std::string_view& value, size_t* offset = nullptr);
  // False also when too little of the file is there to tell; line() then says `incomplete`.
  bool is_next(std::string_view name) const { return text_.substr(at_).starts_with(name); }
  bool read_head();
  bool read_recipients();
  bool read_state();
  bool read_end();
  // For the lines whose values are read by a function.
  template <class Read>
  bool line_with(std::string_view name, size_t* offset, Read read) {
    std::string_view value;
    if (!line(name, value, offset)) return false;
    return read(value) || fail(QueueParseError::damaged, name);
  }

  std::string_view text_;
  size_t at_ = 0;
  std::string_view id_;
  ParsedQueueHeader result_;
  QueueParseFailure failure_;
};

bool BlockReader::line(std::string_view name, std::string_view& value, size_t* offset) {
  const std::string_view rest = text_.substr(at_);
  if (at_ > kQueueHeaderMax) return fail(QueueParseError::limit, name);
  const size_t end = rest.substr(0, kQueueLineMax).find('\n');
  if (end == std::string_view::npos)
    return fail(rest.size() < kQueueLineMax ? QueueParseError::incomplete : QueueParseError::limit,
                name);
  if (!rest.starts_with(name)) return fail(QueueParseError::damaged, name);
  if (end < name.size() + 1 || rest[end - 1] != '\r') return fail(QueueParseError::damaged, name);
  value = rest.substr(name.size(), end - 1 - name.size());
  if (std::ranges::any_of(value, is_control)) return fail(QueueParseError::damaged, name);
  if (offset != nullptr) *offset = at_ + name.size();
  at_ += end + 1;
  return true;
}

bool BlockReader::read_head() {
  QueueFileHeader& header = result_.header;
  if (!std::string_view(kId).starts_with(text_.substr(0, kId.size())))
    return fail(QueueParseError::not_ours, kId);
  if (!line(kId, id_)) return false;
  const std::optional<QueueId> id = parse_queue_id(id_);
  if (!id || to_string(*id) != id_) return fail(QueueParseError::damaged, kId);
  header.id = *id;
  std::string_view version;
  if (!line(kFormat, version)) return false;
  if (version != kVersion) {
    uint32_t number = 0;
    return fail(read_number(version, number) && number > 1 ? QueueParseError::newer_format
                                                           : QueueParseError::damaged,
                kFormat);
  }
  if (!line_with(kSender, nullptr, [&](std::string_view value) {
        return read_path(value, true, header.envelope.reverse_path);
      }))
    return false;
  if (!is_next(kEnvelope)) return true;
  return line_with(kEnvelope, nullptr, [&](std::string_view value) {
    return read_words(
        value, [&](std::string_view word) { return read_envelope_word(word, header.envelope); });
  });
}

bool BlockReader::read_recipients() {
  auto& recipients = result_.header.envelope.recipients;
  do {
    if (recipients.size() == kQueueRecipientsMax) return fail(QueueParseError::limit, kReceiver);
    smtp::Recipient recipient;
    if (!line_with(kReceiver, nullptr, [&](std::string_view value) {
          return read_path(value, false, recipient.address);
        }))
      return false;
    if (is_next(kOptions) && !line_with(kOptions, nullptr, [&](std::string_view value) {
          return read_words(
              value, [&](std::string_view word) { return read_recipient_word(word, recipient); });
        }))
      return false;
    recipients.push_back(std::move(recipient));
  } while (is_next(kReceiver));
  return true;
}

bool BlockReader::read_state() {
  QueueFileHeader& header = result_.header;
  QueueFileLayout& layout = result_.layout;
  if (is_next(kOrigin)) {
    std::string_view origin;
    if (!line(kOrigin, origin)) return false;
    if (origin.empty() || origin.size() > kQueueOriginMax)
      return fail(QueueParseError::damaged, kOrigin);
    header.origin = origin;
  }
  if (!line_with(kTimes, &layout.times_offset,
                 [&](std::string_view value) { return read_times(value, header); }))
    return false;
  if (!line_with(kContent, &layout.content_offset,
                 [&](std::string_view value) { return read_content(value, header); }))
    return false;
  if (!line_with(kLast, &layout.last_offset, [&](std::string_view value) {
        if (value.size() != kQueueLastMax) return false;
        const size_t end = value.find_last_not_of(' ');
        header.last_reply = value.substr(0, end == std::string_view::npos ? 0 : end + 1);
        return true;
      }))
    return false;
  return line_with(kStatus, &layout.status_offset,
                   [&](std::string_view value) { return read_status(value, header); });
}

bool BlockReader::read_end() {
  if (is_next(kPad)) {
    std::string_view padding;
    if (!line(kPad, padding)) return false;
    if (padding.find_first_not_of('.') != std::string_view::npos)
      return fail(QueueParseError::damaged, kPad);
  }
  return line_with(kEnd, nullptr, [&](std::string_view value) { return value == id_; });
}

std::expected<ParsedQueueHeader, QueueParseFailure> BlockReader::read() {
  if (!read_head() || !read_recipients() || !read_state() || !read_end())
    return std::unexpected(failure_);
  result_.layout.block_size = at_;
  return std::move(result_);
}

}  // namespace

std::expected<ParsedQueueHeader, QueueParseFailure> parse_queue_header(ByteView prefix) {
  return BlockReader(as_text(prefix)).read();
}

}  // namespace mailroot::message
