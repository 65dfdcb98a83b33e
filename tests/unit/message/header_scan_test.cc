#include "mailroot/message/header_scan.h"

#include <doctest/doctest.h>

namespace mailroot::message {

namespace {

HeaderFacts scan(std::string_view content, size_t step = 1 << 20) {
  HeaderScan scan;
  for (size_t at = 0; at < content.size(); at += step)
    if (!scan.add(as_bytes(content.substr(at, step)))) break;
  return scan.finish();
}

}  // namespace

TEST_CASE("a header section, at every split") {
  const std::string header =
      "Received: from a\r\n\tby b; Received: not\r\n"
      "received : from c\r\n"
      "RECEIVED:\r\n"
      "Date: x\r\nMessage-Id: <a@b>\r\nFrom: a@b\r\nMIME-Version: 1.0\r\n"
      "Content-Type: Text/Plain;\r\n charset=UTF-8\r\n"
      "Content-Transfer-Encoding:\r\n\t 8BIT \r\n"
      "Subject: Date: From:\r\n";
  const std::string content = header + "\r\nReceived: in the body\r\n\r\nFrom: x\r\n";
  for (size_t step = 1; step <= content.size(); ++step) {
    const HeaderFacts facts = scan(content, step);
    CHECK(facts.complete);
    CHECK(facts.received == 3);
    CHECK(facts.has_date);
    CHECK(facts.has_message_id);
    CHECK(facts.has_from);
    CHECK(facts.has_mime_version);
    CHECK(facts.content_types == 1);
    CHECK(facts.content_type == "text/plain; charset=utf-8");
    CHECK(facts.transfer_encodings == 1);
    CHECK(facts.transfer_encoding == "8bit");
    CHECK(facts.size_bytes == header.size());
    CHECK(header.substr(facts.transfer_encoding_offset, facts.transfer_encoding_size) ==
          "Content-Transfer-Encoding:\r\n\t 8BIT \r\n");
  }
}

TEST_CASE("fields that are not there") {
  const HeaderFacts facts = scan("X-Date: 1\r\nFrom\r\nDate 1\r\n: Date:\r\n Date: 2\r\n\r\n");
  CHECK(facts.complete);
  CHECK_FALSE(facts.has_date);
  CHECK_FALSE(facts.has_from);
  CHECK_FALSE(facts.has_message_id);
  CHECK(facts.received == 0);
}

TEST_CASE("no header section, no body, nothing at all") {
  CHECK(scan("\r\nDate: body\r\n").complete);
  CHECK(scan("\r\nDate: body\r\n").size_bytes == 0);
  CHECK_FALSE(scan("\r\nDate: body\r\n").has_date);
  CHECK_FALSE(scan("").complete);
  CHECK_FALSE(scan("Date: x\r\n").complete);
  CHECK(scan("Date: x\r\n").has_date);
  CHECK(scan("Date: x\r\n").size_bytes == 9);
  CHECK(scan("A: b\r\nDate: x").has_date);
  CHECK(scan("A: b\r\nDate: x").size_bytes == 13);
}

TEST_CASE("a lone line feed ends the section too: a hop must not hide behind it") {
  const HeaderFacts facts = scan("Received: a\nReceived: b\n\nReceived: c\n");
  CHECK(facts.complete);
  CHECK(facts.received == 2);
}

TEST_CASE("field names longer than what is kept, and lines without an end") {
  const std::string name(5000, 'x');
  CHECK(scan(name + ": y\r\nDate: z\r\n\r\n").has_date);
  CHECK(scan("Date" + std::string(500, ' ') + ": z\r\n\r\n").has_date == false);
  const HeaderFacts facts = scan("Content-Type: " + std::string(5000, 'y') + "\r\n\r\n", 7);
  CHECK(facts.content_type.size() <= kHeaderValueKept);
}

TEST_CASE("a section without end is given up at the limit") {
  std::string content;
  while (content.size() <= kHeaderSectionMax) content += "Received: x\r\n";
  HeaderScan scan;
  CHECK_FALSE(scan.add(as_bytes(content)));
  const HeaderFacts facts = scan.finish();
  CHECK(facts.too_large);
  CHECK_FALSE(facts.complete);
  CHECK(facts.size_bytes == kHeaderSectionMax);
  CHECK(facts.received == kHeaderSectionMax / 13);
}

TEST_CASE("hops are known while the content still arrives") {
  HeaderScan scan;
  CHECK(scan.add(as_bytes("Received: a\r\nReceived: b\r\nRecei")));
  CHECK(scan.received() == 2);
}

TEST_CASE("a field twice is counted, its first value kept") {
  const HeaderFacts facts = scan(
      "Content-Type: text/plain\r\nContent-Type: text/html\r\n"
      "Content-Transfer-Encoding: 8bit\r\nContent-Transfer-Encoding: base64\r\n\r\n");
  CHECK(facts.content_types == 2);
  CHECK(facts.content_type == "text/plain");
  CHECK(facts.transfer_encodings == 2);
  CHECK(facts.transfer_encoding == "8bit");
}

}  // namespace mailroot::message
