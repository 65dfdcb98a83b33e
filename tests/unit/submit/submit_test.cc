#include <doctest/doctest.h>
#include <sysexits.h>

#include "mailroot/message/pickup.h"
#include "mailroot/submit/aliases.h"
#include "mailroot/submit/limits.h"
#include "mailroot/submit/request.h"

using namespace mailroot;
using namespace mailroot::submit;

namespace {

const Submitter kAnn{1000, "ann", "here.example", WallTime(std::chrono::seconds(1772703000)),
                     "1.2"};

Request to(std::vector<std::string> recipients) {
  Request request;
  request.recipients = std::move(recipients);
  return request;
}

std::vector<std::string> expand(const char* aliases, const char* recipient) {
  const auto made = make_submission(to({recipient}), "x", kAnn);
  REQUIRE(made);
  const auto out = expand_aliases(parse_aliases(aliases), made->envelope.recipients,
                                  {"here.example", "localhost"}, "here.example");
  std::vector<std::string> names;
  for (const auto& one : out.recipients) names.push_back(smtp::to_string(one.address));
  return names;
}

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("a request is read as it was written") {
  Request request = to({"root", "bob@example.org"});
  request.sender = "";
  request.name = "Ann\nrecipient eve";
  request.notify = "never";
  request.ret = "hdrs";
  request.envelope_id = "x";
  request.header_recipients = true;
  request.size_bytes = 7;
  const auto read = parse_head(encode_head(request));
  REQUIRE(read);
  CHECK(read->sender == "");
  CHECK(read->name == "Ann recipient eve");
  CHECK(read->recipients == request.recipients);
  CHECK(read->notify == "never");
  CHECK(read->ret == "hdrs");
  CHECK(read->envelope_id == "x");
  CHECK(read->header_recipients);
  CHECK(read->size_bytes == 7);
}

TEST_CASE("a request of any other form is refused") {
  for (const char* text :
       {"", "\n", "garbage\n\n", "mailroot-submit 1\n\n", "mailroot-submit 1\nsize x\n\n",
        "mailroot-submit 1\nsize -1\n\n", "mailroot-submit 1\nsize 999999999999\n\n",
        "mailroot-submit 1\nsize 1", "mailroot-submit 1\nsize 1\nsender x\n\n",
        "mailroot-submit 1\nno-such x\nsize 1\n\n", "mailroot-submit 1\nname \x01\nsize 1\n\n"}) {
    CAPTURE(text);
    CHECK(!parse_head(text));
  }
  std::string many = "mailroot-submit 1\n";
  for (size_t i = 0; i <= kRecipientsMax; ++i) many += "recipient a\n";
  CHECK(!parse_head(many + "size 1\n\n"));
}

TEST_CASE("a text without header becomes a message of its user") {
  Request request = to({"root"});
  request.name = "Cron \"Daemon\"";
  const auto made = make_submission(request, "hello\nworld", kAnn);
  REQUIRE(made);
  CHECK(smtp::to_string(made->envelope.reverse_path) == "ann@here.example");
  CHECK(smtp::to_string(made->envelope.recipients.at(0).address) == "root@here.example");
  CHECK(made->content.find("uid 1000, user ann") != std::string::npos);
  CHECK(made->content.find("\r\nFrom: \"Cron Daemon\" <ann@here.example>\r\n") !=
        std::string::npos);
  CHECK(made->content.ends_with("\r\n\r\nhello\r\nworld\r\n"));
}

TEST_CASE("-t takes To, Cc and Bcc; Bcc is not shown, and no field of the text is envelope") {
  Request request;
  request.header_recipients = true;
  const auto made = make_submission(
      request,
      "To: bob@example.org,\n eve\nBcc: hidden@example.net\nX-Receiver: x@evil.example\n\nBcc: b\n",
      kAnn);
  REQUIRE(made);
  REQUIRE(made->envelope.recipients.size() == 3);
  CHECK(made->content.find("hidden") == std::string::npos);
  CHECK(made->content.find("eve@here.example") != std::string::npos);
  CHECK(made->content.ends_with("\r\nBcc: b\r\n"));
  const std::string file = pickup_file(*made, kAnn.now);
  const auto read = message::parse_pickup(as_bytes(file), file.size(), "other.example");
  REQUIRE(read);
  CHECK(read->envelope == made->envelope);
}

TEST_CASE("DSN options reach the envelope that Pickup reads") {
  Request request = to({"bob@example.org"});
  request.sender = "<>";
  request.notify = "success,DELAY";
  request.ret = "hdrs";
  request.envelope_id = "a=b";
  const auto made = make_submission(request, "x", kAnn);
  REQUIRE(made);
  const std::string file = pickup_file(*made, kAnn.now);
  const auto read = message::parse_pickup(as_bytes(file), file.size(), "other.example");
  REQUIRE(read);
  CHECK(read->envelope.reverse_path.is_null());
  CHECK(read->envelope.ret == smtp::Return::headers);
  CHECK(read->envelope.envelope_id == "a=b");
  CHECK(read->envelope.recipients.at(0).notify.success);
  CHECK(read->envelope.recipients.at(0).notify.delay);
}

TEST_CASE("what cannot be sent has its exit code") {
  const auto code = [](const Request& request, const char* text) {
    const auto made = make_submission(request, text, kAnn);
    return made ? 0 : made.error().code;
  };
  Request header;
  header.header_recipients = true;
  CHECK(code(header, "Subject: x\n\n") == EX_DATAERR);
  CHECK(code(header, "To: <<>\n\n") == EX_DATAERR);
  CHECK(code(to({"a@@b"}), "") == EX_NOUSER);
  CHECK(code(to({}), "") == EX_USAGE);
  Request bad = to({"bob"});
  bad.notify = "never,success";
  CHECK(code(bad, "") == EX_USAGE);
  bad = to({"bob"});
  bad.ret = "some";
  CHECK(code(bad, "") == EX_USAGE);
  bad = to({"bob"});
  bad.sender = "a b c";
  CHECK(code(bad, "") == EX_USAGE);
}

TEST_CASE("aliases: several targets, nested, continued, quoted, in any case") {
  const char* text =
      "# comment\nRoot: ann@example.org,\n  ops # not a comment\n"
      "postmaster: root\nops: \"bob@example.org\"\n";
  CHECK(expand("root: ann@example.org, ops\nops:\n\tbob@example.org\n", "ROOT") ==
        Names{"ann@example.org", "bob@example.org"});
  CHECK(expand("postmaster: root\nroot: ann\n", "postmaster@localhost") ==
        Names{"ann@here.example"});
  CHECK(expand("root: ann\n", "root@elsewhere.example") == Names{"root@elsewhere.example"});
  CHECK(parse_aliases(text).problems.size() == 1);
}

TEST_CASE("aliases never lose mail: loops, refused targets, depth") {
  CHECK(expand("a: b\nb: a\n", "a") == Names{"a@here.example"});
  CHECK(expand("root: root, ann@example.org\n", "root") ==
        Names{"root@here.example", "ann@example.org"});
  CHECK(expand("root: |/bin/sh\n", "root") == Names{"root@here.example"});
  CHECK(expand("root: |/bin/sh, ann@example.org, /var/x,\n  bob@example.org, :include:/x\n",
               "root") == Names{"ann@example.org", "bob@example.org"});
  CHECK(expand("root: ops, ann@example.org\nops: |/bin/sh\n", "root") ==
        Names{"ops@here.example", "ann@example.org"});
  CHECK(expand("root: \"|prog a, b\", /var/x, :include:/x\n", "root") ==
        Names{"root@here.example"});
  std::string deep;
  for (int i = 0; i < 40; ++i)
    deep += "a" + std::to_string(i) + ": a" + std::to_string(i + 1) + "\n";
  CHECK(expand(deep.c_str(), "a0") == Names{"a0@here.example"});
}

TEST_CASE(
    "an alias that is reached twice is no loop; a loop is told, its other targets have theirs") {
  const auto warnings = [](const char* text, Names wanted) {
    const std::vector<smtp::Recipient> root{{{"root", "here.example"}, {}, {}}};
    const auto out = expand_aliases(parse_aliases(text), root, {"here.example"}, "here.example");
    Names names;
    for (const auto& one : out.recipients) names.push_back(smtp::to_string(one.address));
    CHECK(names == wanted);
    return out.warnings.size();
  };
  CHECK(warnings("root: a, b\na: c\nb: c\nc: ann@example.org\n", {"ann@example.org"}) == 0);
  CHECK(warnings("root: a, ann@example.org\na: b\nb: a\n", {"ann@example.org"}) == 1);
}

TEST_CASE("errors of aliases have their place") {
  const auto aliases = parse_aliases("root: ann\nbroken\nx: ok,\n   |prog\nroot: bob\n");
  REQUIRE(aliases.problems.size() == 3);
  CHECK(aliases.problems[0].line == 2);
  CHECK(aliases.problems[1].line == 4);
  CHECK(aliases.problems[1].column == 4);
  CHECK(aliases.problems[2].line == 5);
  CHECK(aliases.targets.at("root") == Names{"ann"});
}
