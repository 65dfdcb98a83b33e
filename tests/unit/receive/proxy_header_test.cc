#include "proxy_header.h"

#include <doctest/doctest.h>

#include <string>

using namespace mailroot;
using namespace mailroot::receive;

namespace {

using State = ProxyHeader::State;

ProxyHeader parse(std::string_view text) { return parse_proxy_header(as_bytes(text)); }

std::string client_of(std::string_view text) {
  const ProxyHeader header = parse(text);
  if (header.state == State::invalid) return "invalid";
  if (header.state == State::incomplete) return "incomplete";
  return header.client ? header.client->to_string() : "none";
}

const std::string kSignature("\r\n\r\n\0\r\nQUIT\n", 12);

std::string version2(char version_and_command, char family, const std::string& addresses) {
  return kSignature + version_and_command + family + static_cast<char>(addresses.size() >> 8) +
         static_cast<char>(addresses.size() & 0xff) + addresses;
}

const std::string kV4("\xc0\x00\x02\x01\x0a\x00\x00\x01\x30\x39\x00\x19", 12);

}  // namespace

TEST_CASE("version 1") {
  CHECK(client_of("PROXY TCP4 192.0.2.1 10.0.0.1 12345 25\r\n") == "192.0.2.1:12345");
  CHECK(client_of("PROXY TCP6 2001:db8::1 ::1 65535 25\r\n") == "[2001:db8::1]:65535");
  CHECK(client_of("PROXY TCP6 ::ffff:192.0.2.1 ::ffff:10.0.0.1 1 25\r\n") == "192.0.2.1:1");
  CHECK(client_of("PROXY UNKNOWN\r\n") == "none");
  CHECK(client_of("PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n") == "none");
  CHECK(parse("PROXY TCP4 192.0.2.1 10.0.0.1 1 2\r\nEHLO").size_bytes == 35);
}

TEST_CASE("version 1 that is none") {
  for (const std::string_view text :
       {"EHLO client.example\r\n", "proxy TCP4 192.0.2.1 10.0.0.1 1 2\r\n", "PROXY\r\n",
        "PROXY TCP5 192.0.2.1 10.0.0.1 1 2\r\n", "PROXY TCP4 192.0.2.1 10.0.0.1 1\r\n",
        "PROXY TCP4 192.0.2.1 10.0.0.1 1 2 3\r\n", "PROXY TCP4 192.0.2.1 10.0.0.1 1 65536\r\n",
        "PROXY TCP4 192.0.2.1 10.0.0.1 -1 2\r\n", "PROXY TCP4 192.0.2.256 10.0.0.1 1 2\r\n",
        "PROXY TCP4 2001:db8::1 ::1 1 2\r\n", "PROXY TCP4  192.0.2.1 10.0.0.1 1 2\r\n",
        "PROXY TCP4 192.0.2.1 10.0.0.1 1 2 \r\n"}) {
    CAPTURE(text);
    CHECK(parse(text).state == State::invalid);
  }
  CHECK(client_of("PROXY TCP4 " + std::string(200, '1')) == "invalid");
  CHECK(client_of("PROXY UNKNOWN " + std::string(91, 'x') + "\r\n") == "none");
  CHECK(client_of("PROXY UNKNOWN " + std::string(92, 'x') + "\r\n") == "invalid");
}

TEST_CASE("version 2") {
  CHECK(client_of(version2('\x21', '\x11', kV4)) == "192.0.2.1:12345");
  const std::string v6 = std::string("\x20\x01\x0d\xb8", 4) + std::string(11, '\0') + '\x01' +
                         std::string(16, '\0') + std::string("\x00\x50\x00\x19", 4);
  CHECK(client_of(version2('\x21', '\x21', v6)) == "[2001:db8::1]:80");
  CHECK(client_of(version2('\x21', '\x11', kV4 + "extensions are left alone")) ==
        "192.0.2.1:12345");
  CHECK(client_of(version2('\x20', '\x00', "")) == "none");   // LOCAL
  CHECK(client_of(version2('\x20', '\x11', kV4)) == "none");  // LOCAL with addresses
  CHECK(client_of(version2('\x21', '\x31', kV4)) == "none");  // AF_UNIX
  CHECK(client_of(version2('\x21', '\x12', kV4)) == "none");  // datagrams
  CHECK(parse(version2('\x21', '\x11', kV4) + "EHLO").size_bytes == 28);
}

TEST_CASE("version 2 that is none") {
  CHECK(client_of(version2('\x11', '\x11', kV4)) == "invalid");
  CHECK(client_of(version2('\x22', '\x11', kV4)) == "invalid");
  CHECK(client_of(version2('\x21', '\x11', kV4.substr(1))) == "invalid");
  CHECK(client_of(version2('\x21', '\x11', std::string(5000, 'x'))) == "invalid");
  CHECK(client_of("\r\n\r\nEHLO") == "invalid");
}

TEST_CASE("a header that arrives byte by byte is incomplete until its last one") {
  for (const std::string& whole :
       {std::string("PROXY TCP4 192.0.2.1 10.0.0.1 12345 25\r\n"),
        version2('\x21', '\x11', kV4 + "more"), version2('\x20', '\x00', "")}) {
    for (size_t size = 0; size < whole.size(); ++size) {
      CAPTURE(size);
      CHECK(client_of(std::string_view(whole).substr(0, size)) == "incomplete");
    }
    CHECK(parse(whole).size_bytes == whole.size());
  }
}
