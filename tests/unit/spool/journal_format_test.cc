#include <doctest/doctest.h>

#include "groups.h"
#include "limits.h"
#include "segment_scan.h"

using namespace mailroot;
using namespace mailroot::spool;
using mailroot::spool::test::head_of;
using mailroot::spool::test::id_of;
using mailroot::spool::test::SegmentBuilder;

namespace {

MessageHead rich_head() {
  MessageHead head = head_of(5, "");
  head.envelope.body = smtp::BodyType::binary_mime;
  head.envelope.smtputf8 = true;
  head.envelope.ret = smtp::Return::headers;
  head.envelope.envelope_id = "QQ314159";
  head.envelope.declared_size_bytes = 4711;
  head.envelope.recipients.push_back(
      {{"a b", "[192.0.2.1]"}, {false, true, false, true}, "rfc822;x@y"});
  head.status = "WF";
  head.origin = "[192.0.2.9] client";
  head.last_reply = "451 4.7.1 later";
  head.times = {WallTime(Duration(1)), WallTime(Duration(2)), 3, true, WallTime(Duration(4))};
  head.traits.eight_bit_body = true;
  head.traits.downgradable = true;
  return head;
}

}  // namespace

TEST_CASE("records come back as they were written") {
  HeadBuilder builder;
  builder.reset();
  const MessageHead head = rich_head();
  REQUIRE(builder.add_accept(head, 0, {}));
  REQUIRE(builder.add(AcceptFile{id_of(6), "00000007-000-1.free"}));
  REQUIRE(builder.add(StatusRecord{id_of(5), "DB", head.times, "250 ok"}));
  REQUIRE(builder.add(PlacedRecord{id_of(5)}));
  REQUIRE(builder.add(DoneRecord{id_of(6)}));
  REQUIRE(builder.add(VoidRecord{8, 9}));
  const GroupHeader header{7, 3, 1, 99, 12, 10, 4, 0, 0, 0};
  const ByteView bytes = builder.seal(header, 2);
  CHECK(bytes.size() % kBlockSize == 0);

  const auto decoded = decode_group_header(bytes);
  REQUIRE(decoded.has_value());
  CHECK(decoded->sequence == 12);
  CHECK(decoded->durable_through == 10);
  CHECK(decoded->total_blocks == decoded->head_blocks + 2);
  const auto records = decode_records(*decoded, bytes);
  REQUIRE(records.has_value());
  REQUIRE(records->size() == 6);
  const auto& accept = std::get<AcceptInline>((*records)[0]);
  CHECK(accept.head.envelope == head.envelope);
  CHECK(accept.head.status == "WF");
  CHECK(accept.head.origin == head.origin);
  CHECK(accept.head.last_reply == head.last_reply);
  CHECK(accept.head.times.attempts == 3);
  CHECK(accept.head.times.expiry_basis == WallTime(Duration(4)));
  CHECK(accept.head.traits == head.traits);
  CHECK(std::get<AcceptFile>((*records)[1]).file == "00000007-000-1.free");
  CHECK(std::get<StatusRecord>((*records)[2]).status == "DB");
  CHECK(std::get<VoidRecord>((*records)[5]).last_sequence == 9);
}

TEST_CASE("one flipped bit anywhere in a head is seen") {
  HeadBuilder builder;
  builder.reset();
  REQUIRE(builder.add_accept(rich_head(), 0, {}));
  const ByteView sealed = builder.seal({7, 3, 1, 99, 12, 10, 4, 0, 0, 0}, 0);
  const size_t used = kGroupHeaderBytes + builder.records_bytes();
  for (size_t i = 0; i < used; ++i) {
    std::vector<std::byte> copy(sealed.begin(), sealed.end());
    copy[i] ^= std::byte{1};
    CHECK_FALSE(decode_group_header(copy).has_value());
  }
}

TEST_CASE("a head cut anywhere is refused") {
  HeadBuilder builder;
  builder.reset();
  REQUIRE(builder.add_accept(rich_head(), 0, {}));
  const ByteView sealed = builder.seal({7, 3, 1, 99, 12, 10, 4, 0, 0, 0}, 0);
  const size_t used = kGroupHeaderBytes + builder.records_bytes();
  for (size_t size = 0; size < used; ++size) {
    CHECK_FALSE(decode_group_header(sealed.first(size)).has_value());
  }
}

TEST_CASE("a record above its limit is not added and leaves the head as it was") {
  HeadBuilder builder;
  builder.reset();
  REQUIRE(builder.add(DoneRecord{id_of(1)}));
  const size_t before = builder.records_bytes();
  StatusRecord status{id_of(2), "W", {}, std::string(kRecordMax, 'x')};
  CHECK_FALSE(builder.add(status));
  CHECK(builder.records_bytes() == before);
  // Records that fit alone, but not all of them.
  status.last_reply.resize(kRecordMax / 2);
  size_t added = 0;
  while (builder.add(status)) ++added;
  CHECK(added >= 2);
  CHECK(builder.records_bytes() + kGroupHeaderBytes <= kGroupHeadMax);
  CHECK(decode_group_header(builder.seal({7, 0, 1, 9, 1, 0, 1, 0, 0, 0}, 0)).has_value());
}

TEST_CASE("a segment's header says what it is; a newer one is told apart from a bad one") {
  std::vector<std::byte> block(kBlockSize);
  const SegmentHeader header{1, 2, 3, 4, 5};
  encode_segment_header(header, block);
  const auto decoded = decode_segment_header(block);
  REQUIRE(decoded.has_value());
  CHECK(*decoded == header);
  for (size_t i = 0; i < kSegmentHeaderBytes; ++i) {
    std::vector<std::byte> copy = block;
    copy[i] ^= std::byte{1};
    const auto bad = decode_segment_header(copy);
    REQUIRE_FALSE(bad.has_value());
    CHECK_FALSE(bad.error().newer_version);
  }
}

TEST_CASE("a body stands as whole blocks behind the head and a tail inside it") {
  for (const size_t size : {0UL, 1UL, 4095UL, 4096UL, 4097UL, 20000UL}) {
    std::string content(size, 'x');
    for (size_t i = 0; i < size; ++i) content[i] = static_cast<char>('a' + i % 23);
    SegmentBuilder segment;
    segment.accept(1, 0, 1, content);
    const SegmentScan scan = scan_segment(segment.view());
    REQUIRE(scan.groups.size() == 1);
    CHECK(scan.groups[0].damaged.empty());
    const auto& accept = std::get<AcceptInline>(scan.groups[0].records.at(0));
    const BodyPlace place = body_place(scan.groups[0].header, accept);
    const std::string_view all = as_text(segment.view());
    const size_t whole = size / kBlockSize * kBlockSize;
    CHECK(all.substr(place.blocks_offset, whole) == content.substr(0, whole));
    CHECK(all.substr(place.tail_offset, size - whole) == content.substr(whole));
  }
}
