// The envelope block of a queue file: read, written and read again is the same; every cut is
// incomplete or refused, never another envelope.
#include "mailroot/message/queue_file.h"

#include "fuzz.h"

using namespace mailroot;
using namespace mailroot::message;
using mailroot::fuzz::check;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Steering steering(fuzz::as_text(data, size));
  const uint8_t choice = steering.octet();
  const std::string_view text = steering.rest();
  const auto parsed = parse_queue_header(as_bytes(text));
  if (!parsed) {
    check(!parsed.error().detail.empty(), "an error names its line");
    return 0;
  }
  const QueueFileHeader& header = parsed->header;
  const QueueFileLayout& layout = parsed->layout;
  check(header.status.size() == header.envelope.recipients.size(), "one letter a recipient");
  check(!header.status.empty(), "somebody is to get it");
  check(layout.block_size <= text.size(), "the block is inside");
  check(text.substr(layout.status_offset, header.status.size()) == encode_status(header),
        "the letters stand where they are said to stand");
  check(text.substr(layout.times_offset).starts_with(encode_times(header)), "so do the times");

  const size_t align = (choice & 1) != 0 ? 4096 : (choice & 2) != 0 ? 64 : 0;
  const EncodedQueueHeader again = encode_queue_header(header, align);
  check(align == 0 || again.bytes.size() % align == 0, "aligned");
  const auto reparsed = parse_queue_header(as_bytes(again.bytes));
  check(reparsed.has_value() && reparsed->header == header, "read, written and read is the same");
  check(again.layout.block_size == reparsed->layout.block_size, "the layout is the same");

  const size_t cut = layout.block_size * choice / 256;
  const auto shorter = parse_queue_header(as_bytes(text.substr(0, cut)));
  check(!shorter && shorter.error().error == QueueParseError::incomplete, "a cut is incomplete");
  return 0;
}
