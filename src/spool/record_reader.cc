#include <utility>

#include "bytes_io.h"
#include "limits.h"
#include "mailroot/message/limits.h"
#include "record_codec.h"

namespace mailroot::spool {

namespace {

constexpr uint64_t kCounterMax = uint64_t{1} << 36;
constexpr uint16_t kShardMax = 4096;

bool is_status_letter(char letter) {
  switch (static_cast<RecipientStatus>(letter)) {
    case RecipientStatus::waiting:
    case RecipientStatus::held:
    case RecipientStatus::delivered:
    case RecipientStatus::failed:
    case RecipientStatus::bounced:
      return true;
  }
  return false;
}

std::string read_status(ByteReader& reader) {
  std::string status = reader.string();
  if (status.size() > message::kQueueRecipientsMax) reader.reject();
  for (const char letter : status) {
    if (!is_status_letter(letter)) reader.reject();
  }
  return status;
}

QueueId read_queue_id(ByteReader& reader) {
  QueueId id;
  id.epoch = reader.integer<uint32_t>();
  id.shard = reader.integer<uint16_t>();
  id.counter = reader.integer<uint64_t>();
  if (id.shard >= kShardMax || id.counter >= kCounterMax) reader.reject();
  return id;
}

WallTime read_time(ByteReader& reader) { return WallTime(Duration(reader.integer<int64_t>())); }

bool read_bool(ByteReader& reader) {
  const auto value = reader.integer<uint8_t>();
  if (value > 1) reader.reject();
  return value == 1;
}

template <class Enumeration>
Enumeration read_enumeration(ByteReader& reader, Enumeration last) {
  const auto value = reader.integer<uint8_t>();
  if (value > static_cast<uint8_t>(last)) {
    reader.reject();
    return Enumeration{};
  }
  return static_cast<Enumeration>(value);
}

MessageTimes read_times(ByteReader& reader) {
  MessageTimes times;
  times.arrived = read_time(reader);
  times.next_attempt = read_time(reader);
  times.expiry_basis = read_time(reader);
  times.attempts = reader.integer<uint32_t>();
  times.delay_notified = read_bool(reader);
  return times;
}

smtp::Recipient read_recipient(ByteReader& reader) {
  smtp::Recipient recipient;
  recipient.address.local_part = reader.string();
  recipient.address.domain = reader.string();
  const auto bits = reader.integer<uint8_t>();
  if (bits > 15) reader.reject();
  recipient.notify = {(bits & 1) != 0, (bits & 2) != 0, (bits & 4) != 0, (bits & 8) != 0};
  recipient.original_recipient = reader.string();
  return recipient;
}

smtp::Envelope read_envelope(ByteReader& reader) {
  constexpr size_t kRecipientBytesMin = 13;  // three counts and a byte: bounds what is reserved
  smtp::Envelope envelope;
  envelope.reverse_path.local_part = reader.string();
  envelope.reverse_path.domain = reader.string();
  envelope.body = read_enumeration(reader, smtp::BodyType::binary_mime);
  envelope.smtputf8 = read_bool(reader);
  envelope.ret = read_enumeration(reader, smtp::Return::headers);
  envelope.envelope_id = reader.string();
  const bool has_size = read_bool(reader);
  const auto declared_size = reader.integer<uint64_t>();
  if (has_size) {
    envelope.declared_size_bytes = declared_size;
  } else if (declared_size != 0) {
    reader.reject();
  }
  const auto count = reader.integer<uint32_t>();
  if (count > message::kQueueRecipientsMax || count * kRecipientBytesMin > reader.left()) {
    reader.reject();
    return envelope;
  }
  envelope.recipients.reserve(count);
  for (uint32_t i = 0; i < count && reader.ok(); ++i) {
    envelope.recipients.push_back(read_recipient(reader));
  }
  return envelope;
}

smtp::ContentTraits read_traits(ByteReader& reader) {
  const auto bits = reader.integer<uint8_t>();
  if (bits > 63) reader.reject();
  smtp::ContentTraits traits;
  traits.eight_bit_header = (bits & 1) != 0;
  traits.eight_bit_body = (bits & 2) != 0;
  traits.bare_line_end = (bits & 4) != 0;
  traits.nul = (bits & 8) != 0;
  traits.long_line = (bits & 16) != 0;
  traits.downgradable = (bits & 32) != 0;
  return traits;
}

AcceptInline read_accept_inline(ByteReader& reader, uint64_t record_end) {
  AcceptInline record;
  MessageHead& head = record.head;
  head.id = read_queue_id(reader);
  head.size_bytes = reader.integer<uint64_t>();
  head.crc32c = reader.integer<uint32_t>();
  record.body_block = reader.integer<uint32_t>();
  head.traits = read_traits(reader);
  head.times = read_times(reader);
  head.envelope = read_envelope(reader);
  head.status = read_status(reader);
  head.origin = reader.string();
  head.last_reply = reader.string();
  const uint64_t tail_bytes = head.size_bytes % kBlockSize;
  if (head.size_bytes > kInlineBodyMax || head.status.size() != head.envelope.recipients.size() ||
      reader.left() != tail_bytes) {
    reader.reject();
  }
  record.tail_offset = record_end - tail_bytes;
  reader.bytes(tail_bytes);
  return record;
}

// Queue/tmp/<file> is opened by this name: one path component of our own alphabet.
bool is_pool_name(std::string_view name) {
  if (name.empty() || name.size() > 64 || name.front() == '.') return false;
  for (const char c : name) {
    const bool allowed = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
                         (c >= 'a' && c <= 'z') || c == '.' || c == '-';
    if (!allowed) return false;
  }
  return true;
}

Record read_record(RecordType type, ByteReader& reader, uint64_t record_end) {
  switch (type) {
    case RecordType::accept_inline:
      return read_accept_inline(reader, record_end);
    case RecordType::accept_file: {
      AcceptFile record;
      record.id = read_queue_id(reader);
      record.file = reader.string();
      if (!is_pool_name(record.file)) reader.reject();
      return record;
    }
    case RecordType::status: {
      StatusRecord record;
      record.id = read_queue_id(reader);
      record.status = read_status(reader);
      record.times = read_times(reader);
      record.last_reply = reader.string();
      return record;
    }
    case RecordType::placed:
      return PlacedRecord{read_queue_id(reader)};
    case RecordType::done:
      return DoneRecord{read_queue_id(reader)};
    case RecordType::voided: {
      VoidRecord record;
      record.first_sequence = reader.integer<uint64_t>();
      record.last_sequence = reader.integer<uint64_t>();
      if (record.first_sequence > record.last_sequence) reader.reject();
      return record;
    }
  }
  reader.reject();
  return DoneRecord{};
}

}  // namespace

std::optional<std::vector<Record>> read_records(ByteView bytes) {
  std::vector<Record> records;
  uint64_t offset = kGroupHeaderBytes;
  ByteReader reader(bytes);
  while (!reader.at_end()) {
    const auto type = reader.integer<uint8_t>();
    const ByteView zeroes = reader.bytes(3);
    const auto length = reader.integer<uint32_t>();
    const ByteView payload = reader.bytes(length);
    if (!reader.ok() || length > kRecordMax) return std::nullopt;
    for (const std::byte zero : zeroes) {
      if (zero != std::byte{0}) return std::nullopt;
    }
    offset += kRecordHeaderBytes + length;
    ByteReader values(payload);
    Record record = read_record(static_cast<RecordType>(type), values, offset);
    if (!values.at_end()) return std::nullopt;
    records.push_back(std::move(record));
  }
  return records;
}

}  // namespace mailroot::spool
