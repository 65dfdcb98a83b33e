#include "packet.h"

#include <doctest/doctest.h>

using namespace mailroot;
using namespace mailroot::dns;

namespace {

// Builds answers byte by byte, as a server or an attacker would.
class Wire {
 public:
  explicit Wire(uint16_t answers, uint16_t authorities = 0, uint8_t rcode = 0) {
    word(0x1234).byte(0x81).byte(static_cast<uint8_t>(0x80 | rcode));
    word(1).word(answers).word(authorities).word(0);
    name("example.com").word(15).word(1);
  }
  Wire& byte(uint8_t value) {
    bytes_ += static_cast<char>(value);
    return *this;
  }
  Wire& word(uint16_t value) {
    return byte(static_cast<uint8_t>(value >> 8)).byte(static_cast<uint8_t>(value));
  }
  Wire& name(std::string_view text) {
    while (!text.empty()) {
      const size_t dot = std::min(text.find('.'), text.size());
      byte(static_cast<uint8_t>(dot));
      bytes_ += text.substr(0, dot);
      text = text.substr(std::min(dot + 1, text.size()));
    }
    return byte(0);
  }
  Wire& pointer(uint16_t target) { return word(static_cast<uint16_t>(0xC000 | target)); }
  Wire& header(uint16_t type, uint32_t ttl_seconds, uint16_t length) {
    pointer(12).word(type).word(1);
    word(static_cast<uint16_t>(ttl_seconds >> 16)).word(static_cast<uint16_t>(ttl_seconds));
    return word(length);
  }
  Wire& raw(std::string_view text) {
    bytes_ += text;
    return *this;
  }
  ByteView view() const { return as_bytes(bytes_); }
  size_t size() const { return bytes_.size(); }

 private:
  std::string bytes_;
};

}  // namespace

TEST_CASE("an MX answer is read, with its compression") {
  Wire wire(1);
  wire.header(15, 300, 9).word(10).byte(4).raw("MaiL").pointer(12);
  const auto packet = parse_packet(wire.view());
  REQUIRE(packet);
  REQUIRE(packet->answers.size() == 1);
  CHECK(packet->answers[0].owner == "example.com");
  CHECK(packet->answers[0].preference == 10);
  CHECK(packet->answers[0].target == "mail.example.com");
  CHECK(packet->answers[0].ttl_seconds == 300);
}

TEST_CASE("addresses have their exact size") {
  Wire good(2);
  good.header(1, 60, 4).word(0xC000).word(0x0201).header(28, 60, 16).raw(std::string(15, '\0'));
  good.byte(1);
  const auto packet = parse_packet(good.view());
  REQUIRE(packet);
  REQUIRE(packet->answers.size() == 2);
  CHECK(packet->answers[0].address->to_string() == "192.0.2.1");
  CHECK(packet->answers[1].address->to_string() == "::1");
  Wire bad(1);
  bad.header(1, 60, 3).raw("abc");
  CHECK(parse_packet(bad.view())->answers.empty());
}

TEST_CASE("every cut of an answer is refused, none is read past its end") {
  Wire wire(2);
  wire.header(15, 300, 9).word(10).byte(4).raw("mail").pointer(12);
  wire.header(1, 60, 4).word(0xC000).word(0x0201);
  for (size_t length = 0; length < wire.size(); ++length) {
    CHECK_FALSE(parse_packet(wire.view().subspan(0, length)));
  }
  CHECK(parse_packet(wire.view()));
}

TEST_CASE("compression that loops or points forward is refused") {
  Wire itself(1);
  const auto here = static_cast<uint16_t>(itself.size());
  itself.pointer(here).word(15).word(1).word(0).word(60).word(0);
  CHECK_FALSE(parse_packet(itself.view()));
  Wire forward(1);
  forward.pointer(static_cast<uint16_t>(forward.size() + 40)).word(15).word(1).word(0).word(60);
  forward.word(0).raw(std::string(40, '\0'));
  CHECK_FALSE(parse_packet(forward.view()));
}

TEST_CASE("names of unprintable bytes make their record unusable, not the answer") {
  Wire wire(2);
  wire.header(15, 300, 10).word(10).byte(5).raw("m\r\nil").pointer(12);
  wire.header(15, 300, 9).word(20).byte(4).raw("mail").pointer(12);
  const auto packet = parse_packet(wire.view());
  REQUIRE(packet);
  REQUIRE(packet->answers.size() == 1);
  CHECK(packet->answers[0].preference == 20);
}

TEST_CASE("data longer or shorter than its record is refused") {
  Wire shorter(1);
  shorter.header(15, 300, 4).word(10).byte(4).raw("mail").pointer(12);
  CHECK_FALSE(parse_packet(shorter.view()));
  Wire beyond(1);
  beyond.header(15, 300, 60000).word(10).byte(4).raw("mail").pointer(12);
  CHECK_FALSE(parse_packet(beyond.view()));
}

TEST_CASE("a negative answer carries the TTL of its SOA") {
  Wire wire(0, 1, 3);
  wire.header(6, 900, 22).byte(0).byte(0);
  for (int i = 0; i < 4; ++i) wire.word(0).word(1);
  wire.word(0).word(120);
  const auto packet = parse_packet(wire.view());
  REQUIRE(packet);
  CHECK(packet->rcode == 3);
  CHECK(packet->negative_ttl_seconds == 120);
}

TEST_CASE("host names") {
  CHECK(is_host_name("mail.example.com"));
  CHECK(is_host_name("_dmarc.example"));
  const std::string long_label(64, 'a');
  const std::string long_name = std::string(63, 'a') + "." + std::string(63, 'b') + "." +
                                std::string(63, 'c') + "." + std::string(63, 'd');
  for (const std::string& bad :
       {std::string(), std::string("."), std::string("a..b"), std::string("a."), std::string("a b"),
        std::string("a/b"), std::string("\xC3\xA9.example"), long_label, long_name}) {
    CHECK_FALSE(is_host_name(bad));
  }
}
