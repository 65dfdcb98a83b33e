// The head of a journal group: arbitrary bytes as its records, and as a whole segment. What is
// understood comes out the same when it is written again.
#include <cstring>
#include <vector>

#include "fuzz.h"
#include "journal_format.h"
#include "record_codec.h"
#include "segment_scan.h"

using namespace mailroot;
using namespace mailroot::spool;
using mailroot::fuzz::check;

namespace {

class Rewriter {
 public:
  Rewriter(HeadBuilder& builder, ByteView group) : builder_(builder), group_(group) {}
  bool operator()(const AcceptInline& record) {
    const size_t tail_bytes = record.head.size_bytes % kBlockSize;
    return builder_.add_accept(record.head, record.body_block,
                               group_.subspan(record.tail_offset, tail_bytes));
  }
  template <class R>
  bool operator()(const R& record) {
    return builder_.add(record);
  }

 private:
  HeadBuilder& builder_;
  ByteView group_;
};

void check_records(ByteView bytes) {
  std::vector<std::byte> group(kGroupHeaderBytes);
  group.insert(group.end(), bytes.begin(), bytes.end());
  const auto records = read_records(bytes);
  if (!records) return;
  HeadBuilder builder;
  builder.reset();
  for (const Record& record : *records) {
    check(std::visit(Rewriter(builder, group), record), "what was read can be written");
  }
  check(builder.records_bytes() == bytes.size(), "as many bytes");
  const ByteView again = builder.seal({7, 0, 1, 2, 3, 2, 1, 0, 0, 0}, 0);
  check(std::memcmp(again.data() + kGroupHeaderBytes, bytes.data(), bytes.size()) == 0,
        "the same bytes");
  const auto header = decode_group_header(again);
  check(header.has_value(), "what was sealed is a group");
  check(decode_records(*header, again).has_value(), "with the same records");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const ByteView bytes = std::as_bytes(std::span(data, size));
  if (size <= 64 * kKiB) check_records(bytes);
  std::vector<std::byte> blocks(bytes.begin(), bytes.end());
  blocks.resize((size / kBlockSize + 2) * kBlockSize);
  check(scan_segment(blocks).groups.empty(), "chance makes no group");
  return 0;
}
