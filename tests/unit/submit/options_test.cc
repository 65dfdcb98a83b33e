// Command lines that real programs use.
#include "options.h"

#include <doctest/doctest.h>

using namespace mailroot::sendmail;
using Words = std::vector<std::string>;

namespace {

Options parsed(const Words& words, const std::string& program = "sendmail") {
  const auto options = parse_options(program, words);
  REQUIRE_MESSAGE(options, (options ? "" : options.error()));
  return *options;
}

}  // namespace

TEST_CASE("cron: -FCronDaemon -i -B8BITMIME -oem root") {
  const Options options = parsed({"-FCronDaemon", "-i", "-B8BITMIME", "-oem", "root"});
  CHECK(options.request.name == "CronDaemon");
  CHECK(!options.dot_ends);
  CHECK(options.request.recipients == Words{"root"});
  CHECK(!options.request.sender);
}

TEST_CASE("PHP -t -i, also as one word") {
  for (const Words& words : {Words{"-t", "-i"}, Words{"-ti"}, Words{"-t", "-oi"}}) {
    const Options options = parsed(words);
    CHECK(options.request.header_recipients);
    CHECK(!options.dot_ends);
    CHECK(options.request.recipients.empty());
  }
}

TEST_CASE("mutt: -oem -oi -f x -- rcpt") {
  const Options options =
      parsed({"-oem", "-oi", "-f", "ann@example.com", "--", "bob@example.org", "-odd"});
  CHECK(options.request.sender == "ann@example.com");
  CHECK(options.request.recipients == Words{"bob@example.org", "-odd"});
}

TEST_CASE("options of delivery status notifications, and -r for -f") {
  const Options options =
      parsed({"-rann", "-Nfailure,delay", "-R", "hdrs", "-V", "id 1", "-O", "x=y", "-bm", "bob"});
  CHECK(options.request.sender == "ann");
  CHECK(options.request.notify == "failure,delay");
  CHECK(options.request.ret == "hdrs");
  CHECK(options.request.envelope_id == "id 1");
  CHECK(options.dot_ends);
}

TEST_CASE("an empty sender is the null path, not none") {
  CHECK(parsed({"-f", "", "bob"}).request.sender == "");
  CHECK(parsed({"-f<>", "bob"}).request.sender == "<>");
}

TEST_CASE("modes by option and by name") {
  CHECK(parsed({"-bp"}).mode == Mode::list_queue);
  CHECK(parsed({}, "mailq").mode == Mode::list_queue);
  CHECK(parsed({}, "newaliases").mode == Mode::check_aliases);
  CHECK(parsed({"-bi"}).mode == Mode::check_aliases);
  CHECK(parsed({"-bs"}).mode == Mode::speak_smtp);
  CHECK(parsed({"-q30m"}).mode == Mode::retry_queue);
}

TEST_CASE("what is refused says why") {
  for (const Words& words :
       {Words{}, Words{"-i"}, Words{"-f"}, Words{"-Z", "bob"}, Words{"-bd"}, Words{"-f", "ann"}}) {
    const auto options = parse_options("sendmail", words);
    REQUIRE(!options);
    CHECK(!options.error().empty());
  }
}
