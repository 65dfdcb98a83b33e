#include <doctest/doctest.h>

#include <cerrno>

#include "mailroot/base/crc32c.h"
#include "mailroot/base/intrusive_list.h"
#include "mailroot/base/log.h"
#include "mailroot/base/queue_id.h"
#include "mailroot/base/result.h"

using namespace mailroot;

TEST_CASE("crc32c agrees with RFC 3720 and continues over parts") {
  CHECK(crc32c(as_bytes("123456789")) == 0xE3069283u);
  CHECK(crc32c({}) == 0);
  const std::string zeros(32, '\0');
  CHECK(crc32c(as_bytes(zeros)) == 0x8A9136AAu);
  CHECK(crc32c(as_bytes("6789"), crc32c(as_bytes("12345"))) == 0xE3069283u);
}

TEST_CASE("queue ids keep their parts through text, and only their own text is one") {
  const QueueId id{0xDEADBEEF, 0xABC, 0x123456789};
  CHECK(to_string(id) == "DEADBEEFABC123456789");
  CHECK(parse_queue_id("DEADBEEFABC123456789") == id);
  CHECK_FALSE(parse_queue_id("deadbeefabc123456789"));
  CHECK_FALSE(parse_queue_id("DEADBEEFABC12345678"));
  CHECK_FALSE(parse_queue_id("DEADBEEFABC1234567890"));
  CHECK_FALSE(parse_queue_id("../BEEFABC123456789"));
  CHECK_FALSE(parse_queue_id(""));
}

TEST_CASE("errno maps to the error callers act on") {
  CHECK(error_from_errno(ENOSPC) == Error{Errc::no_space, ENOSPC});
  CHECK(error_from_errno(EDQUOT).code == Errc::no_space);
  CHECK(error_from_errno(EMFILE).code == Errc::too_many_files);
  CHECK(error_from_errno(ECANCELED).code == Errc::cancelled);
  CHECK(error_from_errno(9999).code == Errc::io);
  CHECK(describe(Errc::refused) == "connection refused");
}

TEST_CASE("what a peer sent cannot break a log line") {
  CHECK(log::escape("plain text") == "plain text");
  CHECK(log::escape("a\r\nb\x1b[2J\"\\") == "a\\x0d\\x0ab\\x1b[2J\\x22\\x5c");
  CHECK(log::escape("\xc3\xa9") == "\\xc3\\xa9");
}

TEST_CASE("an element leaves its list when it dies") {
  struct Node : ListHook {
    int value = 0;
  };
  IntrusiveList<Node> list;
  Node first;
  first.value = 1;
  list.push_back(first);
  {
    Node second;
    list.push_back(second);
    CHECK(second.is_linked());
  }
  CHECK(list.pop_front().value == 1);
  CHECK(list.empty());
  CHECK_FALSE(first.is_linked());
}
