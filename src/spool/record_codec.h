// The records of a group's head, written and read. Private to spool/.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "journal_format.h"

namespace mailroot::spool {

enum class RecordType : uint8_t {
  accept_inline = 1,
  accept_file = 2,
  status = 3,
  placed = 4,
  done = 5,
  voided = 6,
};

// Appends one record to a HeadBuilder: RecordHeader {type u8, 3 x 0, length u32}, then values.
class RecordWriter {
 public:
  RecordWriter(HeadBuilder& builder, RecordType type);
  template <class Integer>
  void integer(Integer value);
  void string(std::string_view text);
  void bytes(ByteView view);
  void queue_id(const QueueId& id);
  void times(const MessageTimes& times);
  void envelope(const smtp::Envelope& envelope);
  // Fills in the length; false (and nothing added) when a limit was passed.
  [[nodiscard]] bool finish();

 private:
  HeadBuilder& builder_;
  size_t start_;
  bool fits_ = true;
};

// All records of `bytes`; nothing if any is malformed. Offsets count from the start of the group,
// where `bytes` begins at kGroupHeaderBytes.
std::optional<std::vector<Record>> read_records(ByteView bytes);

}  // namespace mailroot::spool
