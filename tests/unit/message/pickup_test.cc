#include "mailroot/message/pickup.h"

#include <doctest/doctest.h>

namespace mailroot::message {

namespace {

std::string content_of(const PickupFile& file, std::string_view text) {
  std::string content;
  for (const ByteRange& range : file.content) {
    REQUIRE(range.offset + range.size <= text.size());
    content += text.substr(range.offset, range.size);
  }
  return content;
}

PickupFile parse(std::string_view text) {
  auto file = parse_pickup(as_bytes(text), text.size(), "default.example");
  if (!file) FAIL(file.error().detail);
  return *std::move(file);
}

PickupError error_of(std::string_view text, uint64_t file_size) {
  const auto file = parse_pickup(as_bytes(text), file_size, "default.example");
  REQUIRE_FALSE(file.has_value());
  CHECK(file.error().detail != "");
  for (const char c : file.error().detail) CHECK((c >= ' ' && c < 0x7F));
  return file.error().error;
}
PickupError error_of(std::string_view text) { return error_of(text, text.size()); }

std::string recipients(const PickupFile& file) {
  std::string result;
  for (const smtp::Recipient& recipient : file.envelope.recipients)
    result += smtp::to_path(recipient.address);
  return result;
}

QueueFileHeader queue_header() {
  QueueFileHeader header;
  header.id = {.epoch = 1, .shard = 0, .counter = 1};
  header.envelope.reverse_path = {.local_part = "ann", .domain = "example.com"};
  header.envelope.envelope_id = "id";
  for (const char* name : {"a", "b", "c", "d", "e"})
    header.envelope.recipients.push_back({.address = {.local_part = name, .domain = "example.org"},
                                          .notify = {.never = true},
                                          .original_recipient = {}});
  header.status = {RecipientStatus::delivered, RecipientStatus::waiting, RecipientStatus::bounced,
                   RecipientStatus::failed, RecipientStatus::held};
  return header;
}

}  // namespace

TEST_CASE("what .NET writes") {
  const std::string text =
      "X-Sender: app@corp.example.com\r\nX-Receiver: ann@example.net\r\n"
      "X-Receiver: \"Bob\" <bob@example.org>\r\nMIME-Version: 1.0\r\n"
      "From: app@corp.example.com\r\nTo: ann@example.net\r\n\r\nhello\r\n";
  const PickupFile file = parse(text);
  CHECK(smtp::to_path(file.envelope.reverse_path) == "<app@corp.example.com>");
  CHECK(recipients(file) == "<ann@example.net><bob@example.org>");
  CHECK(content_of(file, text) ==
        "MIME-Version: 1.0\r\nFrom: app@corp.example.com\r\nTo: ann@example.net\r\n\r\nhello\r\n");
  CHECK(file.content.size() == 1);
  CHECK_FALSE(file.envelope.smtputf8);
  CHECK_FALSE(file.queue_header.has_value());
}

TEST_CASE("envelope fields in any case, order and place of the header section") {
  const std::string text =
      "x-receiver: ann@example.net\nSubject: s\nX-SENDER:\n <>\nTo: x@y.example\n"
      "X-Receiver: bob@example.org\n\nX-Receiver: evil@example.net\n";
  const PickupFile file = parse(text);
  CHECK(file.envelope.reverse_path.is_null());
  CHECK(recipients(file) == "<ann@example.net><bob@example.org>");
  CHECK(content_of(file, text) == "Subject: s\nTo: x@y.example\n\nX-Receiver: evil@example.net\n");
}

TEST_CASE("without envelope fields the message's own addresses count, and Bcc goes") {
  const std::string text =
      "From: Ann <ann@example.com>\r\nTo: bob@example.org, Eve <eve@example.org>\r\n"
      "Bcc: secret@example.org,\r\n bob@example.org\r\nCc: team: carol@example.org;\r\n"
      "Resent-Bcc: other@example.org\r\n\r\nBcc: body\r\n";
  const PickupFile file = parse(text);
  CHECK(smtp::to_path(file.envelope.reverse_path) == "<ann@example.com>");
  CHECK(recipients(file) ==
        "<bob@example.org><eve@example.org><secret@example.org><carol@example.org>");
  const std::string content = content_of(file, text);
  CHECK(content.find("secret") == std::string::npos);
  CHECK(content.find("Resent-Bcc") == std::string::npos);
  CHECK(content.find("Bcc: body") != std::string::npos);
}

TEST_CASE("Sender before From, X-Sender before both, X-Receiver before To") {
  CHECK(parse("From: a@x.example\nSender: b@x.example\nTo: c@x.example\n\n")
            .envelope.reverse_path.local_part == "b");
  const PickupFile file = parse(
      "From: a@x.example\nX-Sender: d@x.example\nTo: c@x.example\nX-Receiver: r@x.example\n\n");
  CHECK(file.envelope.reverse_path.local_part == "d");
  CHECK(recipients(file) == "<r@x.example>");
}

TEST_CASE("bare addresses get the default domain; international ones are marked") {
  CHECK(recipients(parse("X-Sender: a\nX-Receiver: b\n\n")) == "<b@default.example>");
  CHECK(parse("X-Sender: a\nX-Receiver: b\xC3\xA9@x.example\n\n").envelope.smtputf8);
  CHECK(parse("X-Sender: \xC3\xA9@x.example\nX-Receiver: b\n\n").envelope.smtputf8);
}

TEST_CASE("a file may be nothing but a header section") {
  const std::string text = "X-Sender: a\nX-Receiver: b";
  CHECK(content_of(parse(text), text) == "");
}

TEST_CASE("the byte order mark of a Windows editor is no part of the message") {
  for (const std::string fields : {"X-Sender: a\nX-Receiver: b\n", "From: a\nTo: b\n"}) {
    const std::string rest =
        "Subject: c\n\n\xEF\xBB\xBF"
        "body\n";
    const std::string text = "\xEF\xBB\xBF" + fields + rest;
    const std::string kept = fields.starts_with("X-") ? rest : fields + rest;
    CHECK(content_of(parse(text), text) == kept);
  }
  const std::string_view utf16("\xFF\xFEX\0-\0", 6);
  const auto file = parse_pickup(as_bytes(utf16), utf16.size(), "default.example");
  REQUIRE_FALSE(file.has_value());
  CHECK(file.error().error == PickupError::malformed);
  CHECK(file.error().detail.contains("UTF-16"));
}

TEST_CASE("what cannot be sent, and why") {
  CHECK(error_of("") == PickupError::no_sender);
  CHECK(error_of("\r\nbody") == PickupError::no_sender);
  CHECK(error_of("To: a@x.example\n\n") == PickupError::no_sender);
  CHECK(error_of("From: a@x.example\n\n") == PickupError::no_recipients);
  CHECK(error_of("From: a@x.example\nTo: undisclosed-recipients:;\n\n") ==
        PickupError::no_recipients);
  CHECK(error_of("just text\n") == PickupError::malformed);
  CHECK(error_of("From someone Mon Jan 1\nFrom: a@x.example\n\n") == PickupError::malformed);
  CHECK(error_of(" folded: first\n\n") == PickupError::malformed);
  CHECK(error_of("X-Sender: a\nX-Receiver: b\nno field\n\n") == PickupError::malformed);
  CHECK(error_of("X-Sender: a\nX-Sender: b\nX-Receiver: c\n\n") == PickupError::malformed);
  CHECK(error_of("X-Sender: a, b\nX-Receiver: c\n\n") == PickupError::bad_address);
  CHECK(error_of("X-Sender:\nX-Receiver: c\n\n") == PickupError::bad_address);
  CHECK(error_of("X-Sender: a\nX-Receiver: b, c\n\n") == PickupError::bad_address);
  CHECK(error_of("X-Sender: a\nX-Receiver: <>\n\n") == PickupError::bad_address);
  CHECK(error_of("X-Sender: a\nX-Receiver: two words\n\n") == PickupError::bad_address);
  CHECK(error_of("From: a@@x\nTo: b@x.example\n\n") == PickupError::bad_address);
  CHECK(error_of("From: a@x.example\nTo: b@x.example, c d\x1B[31m\n\n") ==
        PickupError::bad_address);
}

TEST_CASE("a header section behind the prefix is incomplete at every byte, never taken as whole") {
  const std::string text =
      "X-Sender: a@x.example\r\nX-Receiver: b@x.example\r\nSubject: c\r\n d\r\n\r\nbody";
  const size_t header_end = text.find("\r\n\r\n") + 4;
  for (size_t size = 0; size < text.size(); ++size) {
    const std::string_view prefix = std::string_view(text).substr(0, size);
    if (size < header_end) {
      CHECK(error_of(prefix, text.size()) == PickupError::incomplete);
    } else {
      const auto file = parse_pickup(as_bytes(prefix), text.size(), "default.example");
      REQUIRE(file.has_value());
      CHECK(content_of(*file, text) == "Subject: c\r\n d\r\n\r\nbody");
    }
  }
}

TEST_CASE("limits") {
  std::string text = "X-Sender: a\n";
  while (text.size() < kPickupHeaderMax) text += "Subject: " + std::string(1000, 'x') + "\n";
  CHECK(error_of(text, text.size() + 1) == PickupError::limit);
  std::string many = "From: a@x.example\nTo: ";
  for (size_t i = 0; i <= kPickupRecipientsMax; ++i) many += "b,";
  CHECK(error_of(many + "\n\n") == PickupError::limit);
}

TEST_CASE("a queue file is sent again to its unsettled recipients only") {
  const std::string block = encode_queue_header(queue_header(), 4096).bytes;
  const std::string content = "X-Receiver: evil@example.net\r\nBcc: x\r\n\r\nbody";
  const PickupFile file = parse(block + content);
  CHECK(recipients(file) == "<b@example.org><d@example.org><e@example.org>");
  CHECK(file.envelope.envelope_id == "id");
  CHECK(file.envelope.recipients[0].notify.never);
  CHECK(content_of(file, block + content) == content);
  REQUIRE(file.queue_header.has_value());
  CHECK(file.queue_header->id == queue_header().id);
}

TEST_CASE("a queue file with a known size leaves out what stands behind its content") {
  QueueFileHeader header = queue_header();
  header.content_size_bytes = 4;
  const std::string block = encode_queue_header(header, 0).bytes;
  CHECK(content_of(parse(block + "bodyjunk"), block + "bodyjunk") == "body");
  CHECK(error_of(block + "bod") == PickupError::damaged);
}

TEST_CASE("queue files that cannot be sent") {
  QueueFileHeader header = queue_header();
  header.status.assign(5, RecipientStatus::delivered);
  CHECK(error_of(encode_queue_header(header, 0).bytes) == PickupError::all_settled);
  std::string block = encode_queue_header(queue_header(), 0).bytes;
  CHECK(error_of(block.substr(0, block.size() / 2), block.size()) == PickupError::incomplete);
  CHECK(error_of(block.substr(0, block.size() / 2)) == PickupError::damaged);
  block.replace(block.find("DWBFH"), 5, "DWBFX");
  CHECK(error_of(block + "X-Receiver: evil@example.net\r\n") == PickupError::damaged);
}

}  // namespace mailroot::message
