#include "trace_story.h"

#include <doctest/doctest.h>

#include <string>

#include "tool_limits.h"

namespace mailroot::ctl {
namespace {

LogLine line(const std::string& text, const std::string& time = "2026-03-05T09:30:00.000Z") {
  const auto parsed = parse_log_line(text, time);
  REQUIRE(parsed.has_value());
  return *parsed;
}

TEST_CASE("trace: only the wanted ids, of the wanted server") {
  Stories stories({"A"}, "one");
  stories.add(line("accepted server=one queue_id=B from=<a@b> to=<c@d>"));
  stories.add(line("accepted server=two queue_id=A from=<a@b> to=<c@d>"));
  stories.add(line("connection server=one peer=A"));
  CHECK(stories.take().empty());
  stories.add(line("accepted server=one queue_id=A from=<a@b> to=<c@d>"));
  const auto told = stories.take();
  REQUIRE(told.size() == 1);
  CHECK(told.front().events.size() == 1);
  CHECK(told.front().end.empty());
}

TEST_CASE("trace: the same id at two servers is two messages") {
  Stories stories({"A"}, "");
  stories.add(line("accepted server=two queue_id=A"));
  stories.add(line("accepted server=one queue_id=A"));
  stories.add(line("delivered server=one queue_id=A to=<c@d>"));
  stories.add(line("set_aside home=/x id=A reason=torn"));
  const auto told = stories.take();
  REQUIRE(told.size() == 3);
  CHECK(told[0].server == "two");
  CHECK(told[0].end.empty());
  CHECK(told[1].end == "delivered");
  CHECK(told[2].server.empty());
}

TEST_CASE("trace: how a message ended") {
  Stories stories({"A", "R"}, "");
  stories.add(line("delivered server=s queue_id=A to=<one@d>"));
  stories.add(line("deferred server=s queue_id=A to=<two@d>"));
  CHECK(stories.take().front().end.empty());
  stories.add(line("bounced server=s queue_id=A to=<two@d>"));
  stories.add(line("report server=s queue_id=A report=R to=<a@b>"));
  const auto told = stories.take();
  REQUIRE(told.size() == 2);
  CHECK(told[0].end == "bounced");
  CHECK(told[1].id == "R");
  CHECK(told[1].end.empty());
}

TEST_CASE("trace: a message that was moved is followed to its new server") {
  const std::string id = "00000001000000000A05";
  Stories stories({id}, "");
  stories.add(line("moved server=a queue_id=" + id + " target=b by=operator"));
  stories.add(line("accepted server=b queue_id=X peer=pickup file=moved-a-" + id + ".eml"));
  stories.add(line("accepted server=b queue_id=Y peer=pickup file=moved-" + id));
  const auto told = stories.take();
  REQUIRE(told.size() == 2);
  CHECK(told[0].end == "moved");
  CHECK(told[1].server == "b");
  CHECK(told[1].events.size() == 1);
}

TEST_CASE("trace: a message with endless lines is bounded") {
  Stories stories({"A"}, "");
  for (size_t i = 0; i < kStoryEventsMax + 7; ++i)
    stories.add(line("deferred server=s queue_id=A"));
  const auto told = stories.take();
  CHECK(told.front().events.size() == kStoryEventsMax);
  CHECK(told.front().left_out == 7);
}

TEST_CASE("trace: messages of an address, the newest") {
  AddressHits hits("Ann@example.com", 2);
  hits.add(line("refused from=<ann@example.com>"));
  hits.add(line("accepted queue_id=A from=<annie@example.com> to=<b@c>"));
  CHECK(hits.ids().empty());
  for (const char* const id : {"A", "B", "B", "C"}) {
    hits.add(line("accepted queue_id=" + std::string(id) + " from=<ann@Example.com> to=<b@c>"));
  }
  CHECK(hits.ids() == std::set<std::string>{"B", "C"});
  CHECK(hits.left_out() == 1);
}

TEST_CASE("trace: sentences") {
  CHECK(sentence_of(line("deferred server=s queue_id=A to=<b@c> code=451 reply=\"try later\" "
                         "attempt=2 peer=mx")) == "<b@c>: 451 try later (mx, attempt 2)");
  CHECK(sentence_of(line("accepted server=s queue_id=A from=<> to=<b@c> recipients=3 size=10 "
                         "peer=pickup file=x.eml")) ==
        "from <> to <b@c> (3 in all) (10 bytes, from pickup, x.eml)");
  CHECK(sentence_of(line("held server=s queue_id=A by=operator")) == "by: operator");
  CHECK(sentence_of(line("report queue_id=A report=R to=<a@b>")) == "R goes to <a@b>, about A");
}

TEST_CASE("trace: lapses of time") {
  CHECK(lapse("junk", "2026-03-05T09:30:00.000Z").empty());
  CHECK(lapse("2026-03-05T09:30:00.000Z", "2026-03-05T09:30:00.000").empty());
  CHECK(lapse("2026-03-05T09:30:00.900Z", "2026-03-05T09:31:00.000Z") == "+59.100s");
  CHECK(lapse("2026-03-05T09:30:00.000Z", "2026-03-04T09:30:00.000Z") == "-86400.000s");
}

}  // namespace
}  // namespace mailroot::ctl
