// sendmail -bs: what is said when, and what reaches the submission service.
#include "dialogue.h"

#include <doctest/doctest.h>
#include <sysexits.h>

#include <vector>

using namespace mailroot;
using namespace mailroot::sendmail;

namespace {

struct Service {
  submit::Failure next{EX_OK, "kept"};
  std::vector<submit::Request> requests;
  std::vector<std::string> contents;

  Dialogue::Submit submit() {
    return [this](const submit::Request& request, const std::string& content) {
      requests.push_back(request);
      contents.push_back(content);
      return next;
    };
  }
};

const std::string kToBob = "MAIL FROM:<ann@example.com>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\n";
const std::string kText = "Subject: x\r\n\r\n..dots\r\n.\r\n";

}  // namespace

TEST_CASE("one message, whole or byte by byte; bare recipients get the mail name") {
  for (const bool whole : {true, false}) {
    CAPTURE(whole);
    Service service;
    Dialogue dialogue("here.example", service.submit());
    CHECK(dialogue.greet().starts_with("220 here.example"));
    const std::string input =
        "EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<bob@example.org>\r\nRCPT TO:<root>\r\n"
        "DATA\r\n" +
        kText + "QUIT\r\n";
    std::string said;
    if (whole)
      said = dialogue.feed(input);
    else
      for (const char c : input) said += dialogue.feed({&c, 1});
    CHECK(dialogue.is_over());
    CHECK(said.contains("\r\n354 "));
    CHECK(said.contains("kept Queued mail"));
    CHECK(said.contains("\r\n221 "));
    CHECK(!said.contains("DSN"));
    CHECK(!said.contains("BINARYMIME"));
    REQUIRE(service.requests.size() == 1);
    CHECK(service.requests[0].sender == "<>");
    CHECK(service.requests[0].recipients ==
          std::vector<std::string>{"<bob@example.org>", "<root@here.example>"});
    CHECK(service.contents[0] == "Subject: x\r\n\r\n.dots\r\n");
    CHECK(service.requests[0].size_bytes == service.contents[0].size());
  }
}

TEST_CASE("a message that is not kept has no 250, and the next one is free of it") {
  Service service;
  Dialogue dialogue("here.example", service.submit());
  dialogue.greet();
  dialogue.feed("HELO x\r\n");
  service.next = {EX_TEMPFAIL, "not now"};
  CHECK(dialogue.feed(kToBob + kText).ends_with("451 4.3.0 not now\r\n"));
  service.next = {EX_DATAERR, "too large"};
  CHECK(dialogue.feed(kToBob + kText).ends_with("554 5.6.0 too large\r\n"));
  service.next = {EX_OK, "kept"};
  CHECK(dialogue.feed(kToBob + "second\r\n.\r\n").contains("250 2.6.0 kept"));
  REQUIRE(service.contents.size() == 3);
  CHECK(service.contents[2] == "second\r\n");
  CHECK(!dialogue.is_over());
}

TEST_CASE("what is not a whole message is not submitted") {
  Service service;
  Dialogue dialogue("here.example", service.submit());
  dialogue.greet();
  dialogue.feed("HELO x\r\n");
  CHECK(dialogue.feed("DATA\r\n").starts_with("503 "));
  CHECK(dialogue.feed("MAIL FROM:<a@b.example> RET=FULL\r\n").starts_with("555 "));
  CHECK(dialogue.feed(kToBob + "half\r\n").contains("354 "));
  CHECK(service.requests.empty());
}
