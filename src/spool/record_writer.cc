#include <cstring>

#include "bytes_io.h"
#include "limits.h"
#include "mailroot/base/assert.h"
#include "record_codec.h"

namespace mailroot::spool {

RecordWriter::RecordWriter(HeadBuilder& builder, RecordType type)
    : builder_(builder), start_(builder.mark()) {
  integer(static_cast<uint8_t>(type));
  for (int i = 0; i < 3; ++i) integer(uint8_t{0});
  integer(uint32_t{0});
}

template <class Integer>
void RecordWriter::integer(Integer value) {
  std::byte* at = fits_ ? builder_.extend(sizeof value) : nullptr;
  if (at == nullptr) {
    fits_ = false;
    return;
  }
  store(at, value);
}

void RecordWriter::bytes(ByteView view) {
  if (view.empty()) return;
  std::byte* at = fits_ ? builder_.extend(view.size()) : nullptr;
  if (at == nullptr) {
    fits_ = false;
    return;
  }
  std::memcpy(at, view.data(), view.size());
}

void RecordWriter::string(std::string_view text) {
  if (text.size() > kRecordMax) {
    fits_ = false;
    return;
  }
  integer(static_cast<uint32_t>(text.size()));
  bytes(as_bytes(text));
}

void RecordWriter::queue_id(const QueueId& id) {
  integer(id.epoch);
  integer(id.shard);
  integer(id.counter);
}

void RecordWriter::times(const MessageTimes& times) {
  integer(static_cast<int64_t>(times.arrived.time_since_epoch().count()));
  integer(static_cast<int64_t>(times.next_attempt.time_since_epoch().count()));
  integer(static_cast<int64_t>(times.expiry_basis.time_since_epoch().count()));
  integer(times.attempts);
  integer(static_cast<uint8_t>(times.delay_notified));
}

void RecordWriter::envelope(const smtp::Envelope& envelope) {
  string(envelope.reverse_path.local_part);
  string(envelope.reverse_path.domain);
  integer(static_cast<uint8_t>(envelope.body));
  integer(static_cast<uint8_t>(envelope.smtputf8));
  integer(static_cast<uint8_t>(envelope.ret));
  string(envelope.envelope_id);
  integer(static_cast<uint8_t>(envelope.declared_size_bytes.has_value()));
  integer(envelope.declared_size_bytes.value_or(0));
  integer(static_cast<uint32_t>(envelope.recipients.size()));
  for (const smtp::Recipient& recipient : envelope.recipients) {
    string(recipient.address.local_part);
    string(recipient.address.domain);
    const smtp::Notify& notify = recipient.notify;
    integer(static_cast<uint8_t>(notify.never | notify.success << 1 | notify.failure << 2 |
                                 notify.delay << 3));
    string(recipient.original_recipient);
  }
}

bool RecordWriter::finish() {
  const size_t size = builder_.mark() - start_;
  if (!fits_ || size > kRecordMax) {
    builder_.roll_back(start_);
    return false;
  }
  store(builder_.buffer_ + start_ + 4, static_cast<uint32_t>(size - kRecordHeaderBytes));
  return true;
}

namespace {

uint8_t traits_bits(const smtp::ContentTraits& traits) {
  return static_cast<uint8_t>(traits.eight_bit_header | traits.eight_bit_body << 1 |
                              traits.bare_line_end << 2 | traits.nul << 3 | traits.long_line << 4 |
                              traits.downgradable << 5);
}

}  // namespace

bool HeadBuilder::add_accept(const MessageHead& head, uint32_t body_block, ByteView tail) {
  MAILROOT_ASSERT(tail.size() == head.size_bytes % kBlockSize, "the tail is what blocks leave");
  RecordWriter writer(*this, RecordType::accept_inline);
  writer.queue_id(head.id);
  writer.integer(head.size_bytes);
  writer.integer(head.crc32c);
  writer.integer(body_block);
  writer.integer(traits_bits(head.traits));
  writer.times(head.times);
  writer.envelope(head.envelope);
  writer.string(head.status);
  writer.string(head.origin);
  writer.string(head.last_reply);
  writer.bytes(tail);
  return writer.finish();
}

bool HeadBuilder::add(const AcceptFile& record) {
  RecordWriter writer(*this, RecordType::accept_file);
  writer.queue_id(record.id);
  writer.string(record.file);
  return writer.finish();
}

bool HeadBuilder::add(const StatusRecord& record) {
  RecordWriter writer(*this, RecordType::status);
  writer.queue_id(record.id);
  writer.string(record.status);
  writer.times(record.times);
  writer.string(record.last_reply);
  return writer.finish();
}

bool HeadBuilder::add(const PlacedRecord& record) {
  RecordWriter writer(*this, RecordType::placed);
  writer.queue_id(record.id);
  return writer.finish();
}

bool HeadBuilder::add(const DoneRecord& record) {
  RecordWriter writer(*this, RecordType::done);
  writer.queue_id(record.id);
  return writer.finish();
}

bool HeadBuilder::add(const VoidRecord& record) {
  RecordWriter writer(*this, RecordType::voided);
  writer.integer(record.first_sequence);
  writer.integer(record.last_sequence);
  return writer.finish();
}

}  // namespace mailroot::spool
