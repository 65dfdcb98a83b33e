// Who listens: the kernel's tables as text, and lines that are no sockets.
#include "mailroot/config/proc_net.h"

#include <doctest/doctest.h>

#include <string>

using namespace mailroot;
using namespace mailroot::config;

namespace {

constexpr std::string_view kHead =
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout "
    "inode\n";

std::string line(std::string_view local, std::string_view state, std::string_view inode) {
  return "   0: " + std::string(local) + " 00000000:0000 " + std::string(state) +
         " 00000000:00000000 00:00000000 00000000     0        0 " + std::string(inode) +
         " 1 0000000000000000 100 0 0 10 0\n";
}

}  // namespace

TEST_CASE("sockets in state LISTEN are found, others are not") {
  const std::string text = std::string(kHead) + line("0100007F:0019", "0A", "4711") +
                           line("00000000:09DD", "0A", "4712") +
                           line("0100007F:C350", "01", "4713") + line("0100007F:0035", "07", "1");
  const auto sockets = parse_proc_net(text, IpFamily::v4);
  REQUIRE(sockets.size() == 2);
  CHECK(sockets[0].address.to_string() == "127.0.0.1:25");
  CHECK(sockets[0].inode == 4711);
  CHECK(sockets[0].family == IpFamily::v4);
  CHECK(sockets[1].address.to_string() == "0.0.0.0:2525");
  CHECK(sockets[1].inode == 4712);
}

TEST_CASE("IPv6 addresses stand in four words of the machine's byte order") {
  const std::string text = std::string(kHead) +
                           line("B80D0120000000000000000001000000:0019", "0A", "9") +
                           line("00000000000000000000000000000000:0019", "0A", "10");
  const auto sockets = parse_proc_net(text, IpFamily::v6);
  REQUIRE(sockets.size() == 2);
  CHECK(sockets[0].address.to_string() == "[2001:db8::1]:25");
  CHECK(sockets[1].address.to_string() == "[::]:25");
  CHECK(sockets[1].family == IpFamily::v6);
}

TEST_CASE("lines of another form are skipped") {
  for (const std::string& bad :
       {std::string("\n"), std::string("garbage\n"), line("0100007F", "0A", "1"),
        line("0100007F:19", "0A", "1"), line("0100007G:0019", "0A", "1"),
        line("0100007F:001G", "0A", "1"), line("0100007F:0019", "0A", "x"),
        line("0100007F:0019", "0A", "-1"), line("0100007F0100007F:0019", "0A", "1"),
        std::string("   0: 0100007F:0019 00000000:0000 0A\n")}) {
    CAPTURE(bad);
    CHECK(parse_proc_net(bad, IpFamily::v4).empty());
    CHECK(parse_proc_net(bad + line("0100007F:0019", "0A", "5"), IpFamily::v4).size() == 1);
  }
  CHECK(parse_proc_net("", IpFamily::v4).empty());
  CHECK(parse_proc_net(line("0100007F:0019", "0A", "5"), IpFamily::v6).empty());
}

TEST_CASE("a table that ends in the middle of a line loses that line only") {
  const std::string whole = line("0100007F:0019", "0A", "5");
  const std::string second = line("0100007F:001A", "0A", "6");
  for (size_t cut = 0; cut < second.size(); ++cut) {
    const auto sockets = parse_proc_net(whole + second.substr(0, cut), IpFamily::v4);
    REQUIRE(!sockets.empty());
    CHECK(sockets[0].inode == 5);
  }
}
