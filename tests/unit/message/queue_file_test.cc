#include "mailroot/message/queue_file.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "mailroot/message/trace.h"

namespace mailroot::message {

namespace {

using std::chrono::milliseconds;

WallTime at(std::string_view text) { return parse_iso_time(text).value(); }

QueueFileHeader small_header() {
  QueueFileHeader header;
  header.id = {.epoch = 1, .shard = 2, .counter = 3};
  header.envelope.reverse_path = {.local_part = "ann", .domain = "example.com"};
  header.envelope.recipients = {{.address = {.local_part = "bob", .domain = "example.org"},
                                 .notify = {},
                                 .original_recipient = {}}};
  header.status = {RecipientStatus::waiting};
  header.arrived_at = at("2026-03-05T09:30:00.123Z");
  header.expiry_basis_at = header.arrived_at;
  header.next_attempt_at = at("2026-03-05T09:45:00.000Z");
  return header;
}

QueueFileHeader full_header() {
  QueueFileHeader header = small_header();
  smtp::Envelope& envelope = header.envelope;
  envelope.body = smtp::BodyType::binary_mime;
  envelope.smtputf8 = true;
  envelope.ret = smtp::Return::headers;
  envelope.envelope_id = "id+ = \xC3\xA9";
  envelope.declared_size_bytes = 1234;
  envelope.recipients[0].notify = {
      .never = false, .success = true, .failure = true, .delay = false};
  envelope.recipients[0].original_recipient = "rfc822;b ob@example.org";
  envelope.recipients.push_back({.address = {.local_part = "a \"b\\>", .domain = "[192.0.2.1]"},
                                 .notify = {.never = true},
                                 .original_recipient = {}});
  envelope.recipients.push_back({.address = {.local_part = "\xC3\xA9",
                                             .domain = "b\xC3\xBC"
                                                       "cher.example"},
                                 .notify = {},
                                 .original_recipient = "utf-8;\xC3\xA9@x"});
  header.status = {RecipientStatus::delivered, RecipientStatus::held, RecipientStatus::failed};
  header.origin = "[192.0.2.7] client.example.com";
  header.attempts = 7;
  header.delay_notified = true;
  header.content_size_bytes = 5000000000;
  header.content_crc32c = 0x89abcdef;
  header.traits = {.eight_bit_body = true, .nul = true};
  header.last_reply = "mx1.example.org [192.0.2.9]:25 451 4.7.1 try later";
  return header;
}

ParsedQueueHeader parse(std::string_view text) {
  auto parsed = parse_queue_header(as_bytes(text));
  REQUIRE(parsed.has_value());
  return *std::move(parsed);
}

QueueParseError error_of(std::string_view text) {
  const auto parsed = parse_queue_header(as_bytes(text));
  REQUIRE_FALSE(parsed.has_value());
  CHECK(parsed.error().detail != "");
  return parsed.error().error;
}

std::string replaced(std::string text, std::string_view from, std::string_view to) {
  const size_t found = text.find(from);
  REQUIRE(found != std::string::npos);
  return text.replace(found, from.size(), to);
}

}  // namespace

TEST_CASE("a small block, as an administrator sees it") {
  const EncodedQueueHeader encoded = encode_queue_header(small_header(), 0);
  CHECK(encoded.bytes ==
        "X-Queue-Id: 00000001002000000003\r\n"
        "X-Queue-Format: 1\r\n"
        "X-Sender: <ann@example.com>\r\n"
        "X-Receiver: <bob@example.org>\r\n"
        "X-Queue-Times: arrived=2026-03-05T09:30:00.123Z basis=2026-03-05T09:30:00.123Z "
        "next=2026-03-05T09:45:00.000Z attempts=0000000000 told=0\r\n"
        "X-Queue-Content: size=-------------------- crc32c=-------- traits=------\r\n"
        "X-Queue-Last: " +
            std::string(160, ' ') +
            "\r\n"
            "X-Queue-Status: W\r\n"
            "X-Queue-End: 00000001002000000003\r\n");
  CHECK(encoded.layout.block_size == encoded.bytes.size());
}

TEST_CASE("what is written is read again") {
  QueueFileHeader null_sender = small_header();
  null_sender.envelope.reverse_path = {};
  for (const QueueFileHeader& header : {small_header(), full_header(), null_sender}) {
    for (const size_t align : {0UL, 64UL, 512UL, 4096UL}) {
      const EncodedQueueHeader encoded = encode_queue_header(header, align);
      if (align != 0) CHECK(encoded.bytes.size() % align == 0);
      const std::string file = encoded.bytes + "X-Receiver: <evil@example.net>\r\n\r\nbody";
      const ParsedQueueHeader parsed = parse(file);
      CHECK(parsed.header == header);
      CHECK(parsed.layout.block_size == encoded.bytes.size());
      CHECK(parsed.layout.times_offset == encoded.layout.times_offset);
      CHECK(parsed.layout.content_offset == encoded.layout.content_offset);
      CHECK(parsed.layout.last_offset == encoded.layout.last_offset);
      CHECK(parsed.layout.status_offset == encoded.layout.status_offset);
    }
  }
}

TEST_CASE("padding fits whatever the block's size is") {
  QueueFileHeader header = small_header();
  for (size_t length = 1; length < 200; ++length) {
    header.origin = std::string(length, 'x');
    const EncodedQueueHeader encoded = encode_queue_header(header, 64);
    CHECK(encoded.bytes.size() % 64 == 0);
    CHECK(parse(encoded.bytes).header == header);
  }
}

TEST_CASE("state is overwritten in place") {
  QueueFileHeader header = full_header();
  header.content_size_bytes.reset();
  header.content_crc32c.reset();
  EncodedQueueHeader encoded = encode_queue_header(header, 4096);
  header = full_header();
  header.status = {RecipientStatus::bounced, RecipientStatus::waiting, RecipientStatus::failed};
  header.attempts = 4294967295;
  header.next_attempt_at += milliseconds(1);
  header.delay_notified = false;
  header.last_reply = "550 5.1.1 no";
  const auto overwrite = [&](size_t offset, const std::string& value) {
    encoded.bytes.replace(offset, value.size(), value);
  };
  overwrite(encoded.layout.times_offset, encode_times(header));
  overwrite(encoded.layout.content_offset, encode_content(header));
  overwrite(encoded.layout.last_offset, encode_last(header));
  overwrite(encoded.layout.status_offset, encode_status(header));
  CHECK(encoded.bytes.size() % 4096 == 0);
  CHECK(parse(encoded.bytes).header == header);
}

TEST_CASE("hostile text cannot leave its line") {
  QueueFileHeader header = small_header();
  header.origin = "x\r\nX-Receiver: <evil@example.net>\r\n";
  header.last_reply = std::string(50, '\n') + std::string(500, 'y') + "\r\nX-Queue-End: ";
  const ParsedQueueHeader parsed = parse(encode_queue_header(header, 0).bytes);
  CHECK(parsed.header.envelope.recipients.size() == 1);
  CHECK(parsed.header.origin == "x??X-Receiver: <evil@example.net>??");
  CHECK(parsed.header.last_reply == std::string(50, '?') + std::string(110, 'y'));
}

TEST_CASE("a cut file is incomplete at every byte, never damaged, never read") {
  const std::string block = encode_queue_header(full_header(), 4096).bytes;
  for (size_t size = 0; size < block.size(); ++size)
    CHECK(error_of(std::string_view(block).substr(0, size)) == QueueParseError::incomplete);
}

TEST_CASE("each damaged line is noticed") {
  const std::string block = encode_queue_header(full_header(), 4096).bytes;
  const struct {
    const char* from;
    const char* to;
  } kCases[] = {
      {"X-Queue-Id: 00000001002000000003", "X-Queue-Id: 00000001002000000004"},
      {"X-Queue-Id: 0", "X-Queue-Id: g"},
      {"X-Queue-Id: 00000001", "X-Queue-Id: 0000001"},
      {"Format: 1", "Format: "},
      {"Format: 1", "Format: 0"},
      {"Format: 1", "Format: x"},
      {"X-Sender: ", "X-Sendr: "},
      {"X-Sender: <ann@example.com>", "X-Sender: ann@example.com"},
      {"X-Sender: <ann@example.com>", "X-Sender: <ann@example.com> x"},
      {"X-Sender: <ann@example.com>", "X-Sender: <@>"},
      {"X-Sender: <ann@example.com>\r\n", ""},
      {"X-Sender: <ann@example.com>\r", "X-Sender: <ann@example.com>"},
      {"ret=headers", "ret=hdrs"},
      {"envid=", "envid=+zz"},
      {"envid=", "envid= "},
      {"body=binarymime", "body=7bit"},
      {"size=1234", "size=-1"},
      {"size=1234", "size=99999999999999999999"},
      {"smtputf8", "smtputf8 "},
      {"X-Receiver: <bob@example.org>", "X-Receiver: <>"},
      {"X-Receiver: <bob@example.org>", "X-Receiver: <bob@example.org><eve@example.org>"},
      {"X-Receiver: <bob@example.org>\r\n", ""},
      {"notify=success,failure", "notify="},
      {"notify=success,failure", "notify=success,maybe"},
      {"notify=success,failure", "notify=never,failure"},
      {"orcpt=rfc822;", "orcpt=+"},
      {"X-Queue-Times: ", "X-Queue-Time: "},
      {"arrived=2026", "arrived=1969"},
      {"arrived=2026-03-05", "arrived=2026-02-30"},
      {"basis=2026", "basis=20a6"},
      {" next=", "  next="},
      {"attempts=0000000007", "attempts=000000007"},
      {"attempts=0000000007", "attempts=9999999999"},
      {"told=1", "told=2"},
      {"told=1", "told=1 "},
      {"size=00000000005000000000", "size=-0000000005000000000"},
      {"crc32c=89abcdef", "crc32c=89abcdeg"},
      {"traits=-b-n--", "traits=b--n--"},
      {"traits=-b-n--", "traits=-b-n-"},
      {"X-Queue-Last: ", "X-Queue-Last:  "},
      {"451 4.7.1", "451\a4.7.1"},
      {"X-Queue-Origin: [192.0.2.7]", "X-Queue-Origin: [192.0.2.7]\t"},
      {"X-Queue-Status: DHF", "X-Queue-Status: DH"},
      {"X-Queue-Status: DHF", "X-Queue-Status: DHFW"},
      {"X-Queue-Status: DHF", "X-Queue-Status: DHX"},
      {"X-Queue-Pad: .", "X-Queue-Pad: x"},
      {"X-Queue-End: 00000001002000000003", "X-Queue-End: 00000001002000000004"},
      {"X-Queue-End: ", "X-Queue-Fin: "},
  };
  for (const auto& c : kCases) {
    CAPTURE(c.from);
    CAPTURE(c.to);
    CHECK(error_of(replaced(block, c.from, c.to)) == QueueParseError::damaged);
  }
}

TEST_CASE("lines in another order, twice, or with NUL are damage") {
  const std::string block = encode_queue_header(full_header(), 0).bytes;
  const std::string sender = "X-Sender: <ann@example.com>\r\n";
  CHECK(error_of(replaced(block, sender, sender + sender)) == QueueParseError::damaged);
  CHECK(error_of(replaced(block, "X-Queue-Status:", "X-Queue-Times:")) == QueueParseError::damaged);
  CHECK(error_of(replaced(block, "451 4.7.1", std::string_view("451\0004.7.1", 9))) ==
        QueueParseError::damaged);
  CHECK(error_of(std::string(4096, '\0')) == QueueParseError::not_ours);
}

TEST_CASE("other files are not ours, a newer format is said to be newer") {
  for (const char* text : {"X-Sender: <a@b>\r\n", "From: x\r\n", "x-queue-id: 1\r\n", "\r\n"})
    CHECK(error_of(text) == QueueParseError::not_ours);
  const std::string block = encode_queue_header(small_header(), 0).bytes;
  CHECK(error_of(replaced(block, "Format: 1", "Format: 2")) == QueueParseError::newer_format);
}

TEST_CASE("limits") {
  const std::string block = encode_queue_header(small_header(), 0).bytes;
  const std::string line = "X-Receiver: <bob@example.org>\r\n";
  std::string many;
  for (size_t i = 0; i < kQueueRecipientsMax; ++i) many += line;
  CHECK(error_of(replaced(block, line, line + many)) == QueueParseError::limit);
  CHECK(error_of(replaced(block, "<bob@", "<" + std::string(kQueueLineMax, 'b') + "@")) ==
        QueueParseError::limit);
}

TEST_CASE("which letters are open and which are sent again from Pickup") {
  CHECK(is_open(RecipientStatus::waiting));
  CHECK(is_open(RecipientStatus::held));
  CHECK_FALSE(is_open(RecipientStatus::delivered));
  CHECK_FALSE(is_open(RecipientStatus::failed));
  CHECK_FALSE(is_open(RecipientStatus::bounced));
  CHECK(is_resendable(RecipientStatus::failed));
  CHECK_FALSE(is_resendable(RecipientStatus::bounced));
  CHECK_FALSE(is_resendable(RecipientStatus::delivered));
}

}  // namespace mailroot::message
