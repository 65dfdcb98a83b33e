#include "mailroot/message/pickup.h"

#include <algorithm>
#include <unordered_set>

#include "mailroot/smtp/grammar.h"

namespace mailroot::message {

namespace {

using smtp::equals_ignoring_case;
using Failure = std::unexpected<PickupFailure>;

Failure fail(PickupError error, std::string_view detail) {
  std::string text(detail.substr(0, 200));
  std::ranges::replace_if(
      text,
      [](char c) {
        const auto byte = static_cast<unsigned char>(c);
        return byte < 0x20 || byte >= 0x7F;
      },
      '?');
  return Failure({.error = error, .detail = std::move(text)});
}

struct Field {
  std::string_view name;
  std::string_view body;  // with its folds
  size_t offset = 0;
  size_t size = 0;  // with the line end
};

// Where the line at `at` ends, its line feed included; npos if the file goes on behind the prefix.
size_t line_end(std::string_view text, size_t at) {
  const size_t found = text.find('\n', at);
  return found == std::string_view::npos ? found : found + 1;
}

bool is_field_name(std::string_view name) {
  return !name.empty() && std::ranges::all_of(name, [](char c) { return c > ' ' && c < 0x7F; });
}

// The fields of a header section, one at a time.
class FieldReader {
 public:
  FieldReader(std::string_view text, bool whole_file, size_t at)
      : text_(text), whole_(whole_file), at_(at) {}

  enum class Step : uint8_t { field, end, incomplete, malformed };
  Step next(Field& field) {
    if (at_ == text_.size()) return whole_ ? Step::end : Step::incomplete;
    const size_t begin = at_;
    size_t end = line_end(text_, at_);
    if (end == std::string_view::npos) {
      if (!whole_) return Step::incomplete;
      end = text_.size();
    }
    const std::string_view line = text_.substr(begin, end - begin);
    if (line == "\n" || line == "\r\n") return Step::end;
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos) return Step::malformed;
    std::string_view name = line.substr(0, colon);
    name = name.substr(0, name.find_last_not_of(" \t") + 1);
    if (!is_field_name(name)) return Step::malformed;
    while (end < text_.size() && (text_[end] == ' ' || text_[end] == '\t')) {
      const size_t folded = line_end(text_, end);
      if (folded == std::string_view::npos && !whole_) return Step::incomplete;
      end = std::min(folded, text_.size());
    }
    // A fold may follow behind the prefix.
    if (end == text_.size() && !whole_) return Step::incomplete;
    at_ = end;
    field = {.name = name,
             .body = text_.substr(begin + colon + 1, end - begin - colon - 1),
             .offset = begin,
             .size = end - begin};
    return Step::field;
  }

 private:
  std::string_view text_;
  bool whole_;
  size_t at_;
};

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

class PickupReader {
 public:
  PickupReader(std::string_view text, uint64_t file_size, std::string_view default_domain)
      : text_(text), file_size_(file_size), default_domain_(default_domain) {}

  std::expected<PickupFile, PickupFailure> read();

 private:
  std::optional<PickupFailure> take(const Field& field);
  std::expected<PickupFile, PickupFailure> finish();
  std::expected<std::vector<smtp::Mailbox>, PickupFailure> header_recipients() const;
  void leave_out(const Field& field);

  std::string_view text_;
  uint64_t file_size_;
  std::string_view default_domain_;
  uint64_t kept_from_ = 0;
  PickupFile file_;
  std::vector<smtp::Mailbox> senders_;                          // X-Sender
  std::vector<smtp::Mailbox> receivers_;                        // X-Receiver
  std::vector<std::string_view> from_, sender_, destinations_;  // bodies of the message's fields
};

void PickupReader::leave_out(const Field& field) {
  if (field.offset > kept_from_)
    file_.content.push_back({.offset = kept_from_, .size = field.offset - kept_from_});
  kept_from_ = field.offset + field.size;
}

std::optional<PickupFailure> PickupReader::take(const Field& field) {
  const auto is = [&](std::string_view name) { return equals_ignoring_case(field.name, name); };
  const bool is_sender = is("X-Sender");
  if (is_sender || is("X-Receiver")) {
    leave_out(field);
    std::vector<smtp::Mailbox>& list = is_sender ? senders_ : receivers_;
    const size_t before = list.size();
    if (!parse_address_list(field.body, default_domain_, is_sender, list) ||
        list.size() != before + 1)
      return fail(PickupError::bad_address,
                  std::string(field.name) + " is not one address:" + std::string(field.body))
          .error();
    if (senders_.size() > 1) return fail(PickupError::malformed, "X-Sender stands twice").error();
    if (receivers_.size() > kPickupRecipientsMax)
      return fail(PickupError::limit, "too many recipients").error();
  } else if (is("Bcc") || is("Resent-Bcc")) {
    leave_out(field);
    if (is("Bcc")) destinations_.push_back(field.body);
  } else if (is("To") || is("Cc")) {
    destinations_.push_back(field.body);
  } else if (is("From")) {
    from_.push_back(field.body);
  } else if (is("Sender")) {
    sender_.push_back(field.body);
  }
  return std::nullopt;
}

std::expected<std::vector<smtp::Mailbox>, PickupFailure> PickupReader::header_recipients() const {
  std::vector<smtp::Mailbox> result;
  for (const std::string_view body : destinations_)
    if (!parse_address_list(body, default_domain_, false, result))
      return fail(
          result.size() > kPickupRecipientsMax ? PickupError::limit : PickupError::bad_address,
          "To, Cc or Bcc has something that is no address:" + std::string(body));
  return result;
}

std::expected<PickupFile, PickupFailure> PickupReader::finish() {
  if (file_size_ > kept_from_)
    file_.content.push_back({.offset = kept_from_, .size = file_size_ - kept_from_});

  smtp::Envelope& envelope = file_.envelope;
  if (senders_.empty()) {
    const auto& bodies = sender_.empty() ? from_ : sender_;
    for (const std::string_view body : bodies)
      if (!parse_address_list(body, default_domain_, false, senders_))
        return fail(PickupError::bad_address, "From or Sender is no address:" + std::string(body));
    if (senders_.empty())
      return fail(PickupError::no_sender, "the file has no X-Sender, From or Sender");
  }
  envelope.reverse_path = senders_.front();

  if (receivers_.empty()) {
    auto found = header_recipients();
    if (!found) return std::unexpected(found.error());
    receivers_ = *std::move(found);
    if (receivers_.empty())
      return fail(PickupError::no_recipients, "the file has no X-Receiver, To, Cc or Bcc");
  }
  std::unordered_set<std::string> seen;
  envelope.smtputf8 = !smtp::is_ascii(smtp::to_string(envelope.reverse_path));
  for (smtp::Mailbox& mailbox : receivers_) {
    const std::string text = smtp::to_string(mailbox);
    if (!smtp::is_ascii(text)) envelope.smtputf8 = true;
    if (seen.insert(text).second)
      envelope.recipients.push_back(
          {.address = std::move(mailbox), .notify = {}, .original_recipient = {}});
  }
  return std::move(file_);
}

std::expected<PickupFile, PickupFailure> PickupReader::read() {
  if (text_.starts_with("\xFF\xFE") || text_.starts_with("\xFE\xFF"))
    return fail(PickupError::malformed, "it is UTF-16 text; a message is ASCII or UTF-8");
  // Windows editors and PowerShell mark UTF-8 so; it is no part of the message.
  if (text_.starts_with(kByteOrderMark)) kept_from_ = kByteOrderMark.size();
  FieldReader reader(text_, text_.size() >= file_size_, kept_from_);
  Field field;
  for (;;) {
    switch (reader.next(field)) {
      case FieldReader::Step::field:
        if (auto failure = take(field)) return std::unexpected(*std::move(failure));
        break;
      case FieldReader::Step::end:
        return finish();
      case FieldReader::Step::incomplete:
        if (text_.size() >= kPickupHeaderMax)
          return fail(PickupError::limit, "the header section is too large");
        return fail(PickupError::incomplete, "the header section does not end");
      case FieldReader::Step::malformed:
        return fail(PickupError::malformed, "a line of the header section is not a field");
    }
  }
}

std::expected<PickupFile, PickupFailure> from_queue_file(ParsedQueueHeader parsed,
                                                         uint64_t file_size) {
  PickupFile file;
  QueueFileHeader& header = parsed.header;
  const uint64_t begin = parsed.layout.block_size;
  const uint64_t size = header.content_size_bytes.value_or(file_size - begin);
  if (size > file_size - begin)
    return fail(PickupError::damaged, "the queue file is shorter than it says");
  file.envelope = header.envelope;
  file.envelope.recipients.clear();
  for (size_t i = 0; i < header.status.size(); ++i)
    if (is_resendable(header.status[i]))
      file.envelope.recipients.push_back(header.envelope.recipients[i]);
  if (file.envelope.recipients.empty())
    return fail(PickupError::all_settled, "every recipient of the queue file is settled");
  file.content.push_back({.offset = begin, .size = size});
  file.queue_header = std::move(header);
  return file;
}

}  // namespace

std::expected<PickupFile, PickupFailure> parse_pickup(ByteView prefix, uint64_t file_size,
                                                      std::string_view default_domain) {
  const bool whole = prefix.size() >= file_size;
  if (whole) prefix = prefix.first(file_size);
  auto queue_file = parse_queue_header(prefix);
  if (queue_file) return from_queue_file(*std::move(queue_file), file_size);
  const QueueParseFailure& failure = queue_file.error();
  if (failure.error == QueueParseError::incomplete && !whole)
    return fail(PickupError::incomplete, "the envelope block does not end");
  if (failure.error != QueueParseError::not_ours && !prefix.empty())
    return fail(failure.error == QueueParseError::limit ? PickupError::limit : PickupError::damaged,
                "the queue file's envelope block cannot be read at " + std::string(failure.detail));
  return PickupReader(as_text(prefix), file_size, default_domain).read();
}

}  // namespace mailroot::message
