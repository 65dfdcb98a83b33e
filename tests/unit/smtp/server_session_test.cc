// The session's front: what a transcript cannot say.
#include "mailroot/smtp/server_session.h"

#include <doctest/doctest.h>

#include <map>
#include <string>
#include <vector>

#include "mailroot/smtp/limits.h"
#include "session_driver.h"

using namespace mailroot;
using namespace mailroot::smtp;
using test::SessionDriver;

namespace {

SessionRules rules_for_test() {
  SessionRules rules;
  rules.fqdn = "mx.test";
  rules.default_domain = "here.test";
  rules.errors_max = 0;
  return rules;
}

SocketAddress client() { return *SocketAddress::parse("192.0.2.9:40000"); }

constexpr std::string_view kTransaction = "HELO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n";

std::string last_reply(const SessionDriver& driver) {
  return driver.log().empty() ? "" : driver.log().back();
}

// Code of the reply to one command in the state that `prefix` leads to; "-" for none.
std::string code_of(std::string_view prefix, std::string_view command) {
  SessionDriver driver(rules_for_test());
  driver.greet();
  driver.send(prefix);
  const size_t replies = driver.log().size();
  driver.send(command);
  CHECK(driver.violations() == std::vector<std::string>{});
  for (size_t i = replies; i < driver.log().size(); ++i) {
    if (driver.log()[i].starts_with("S: ")) return driver.log()[i].substr(3, 3);
  }
  return "-";
}

}  // namespace

TEST_CASE("every state with every command") {
  const std::vector<std::string> commands = {
      "EHLO x", "HELO x",   "MAIL FROM:<e@f>", "RCPT TO:<g@h>",
      "DATA",   "BDAT 0",   "BDAT 0 LAST",     "RSET",
      "NOOP",   "VRFY x",   "EXPN x",          "HELP",
      "QUIT",   "STARTTLS", "AUTH x",          "FOO",
      "",       "GET /",    "BDAT -1"};
  struct Row {
    const char* name;
    std::string prefix;
    std::vector<const char*> codes;
  };
  const std::string hello = "HELO x\r\n";
  const std::string mail = hello + "MAIL FROM:<a@b>\r\n";
  const std::string rcpt = mail + "RCPT TO:<c@d>\r\n";
  const std::string chunks = rcpt + "BDAT 1\r\nx";
  const std::vector<Row> rows = {
      {"greeted",
       "",
       {"250", "250", "503", "503", "503", "503", "503", "250", "250", "252", "502", "214", "221",
        "502", "502", "500", "500", "554", "501"}},
      {"ready",
       hello,
       {"250", "250", "250", "503", "503", "503", "503", "250", "250", "252", "502", "214", "221",
        "502", "502", "500", "500", "554", "501"}},
      {"mail",
       mail,
       {"250", "250", "503", "250", "503", "503", "503", "250", "250", "252", "502", "214", "221",
        "503", "502", "500", "500", "554", "501"}},
      {"rcpt",
       rcpt,
       {"250", "250", "503", "250", "354", "250", "250", "250", "250", "252", "502", "214", "221",
        "503", "502", "500", "500", "554", "501"}},
      {"chunks",
       chunks,
       {"250", "250", "503", "503", "503", "250", "250", "250", "250", "252", "502", "214", "221",
        "503", "502", "500", "500", "554", "501"}},
      {"data",
       rcpt + "DATA\r\n",
       {"-", "-", "-", "-", "-", "-", "-", "-", "-", "-", "-", "-", "-", "-", "-", "-", "-", "-",
        "-"}},
      {"chunk",
       rcpt + "BDAT 1000\r\n",
       {"-", "-", "-", "-", "-", "-", "-", "-", "-", "-", "-", "-", "-", "-", "-", "-", "-", "-",
        "-"}},
      {"closed",
       "QUIT\r\n",
       {"-", "-", "-", "-", "-", "-", "-", "-", "-", "-", "-", "-", "-", "-", "-", "-", "-", "-",
        "-"}},
  };
  for (const Row& row : rows) {
    REQUIRE(row.codes.size() == commands.size());
    for (size_t i = 0; i < commands.size(); ++i) {
      CAPTURE(row.name);
      CAPTURE(commands[i]);
      CHECK(code_of(row.prefix, commands[i] + "\r\n") == row.codes[i]);
    }
  }
}

TEST_CASE("while a question is open nothing is consumed") {
  ServerSession session(rules_for_test(), client());
  Actions actions;
  session.greet(actions);
  CHECK(actions.question == Question::may_connect);
  actions.clear();
  session.answer({}, actions);
  CHECK(actions.reply == "220 mx.test ESMTP\r\n");
  actions.clear();
  const std::string input = "HELO x\r\nMAIL FROM:<a@b>\r\nNOOP\r\n";
  const size_t consumed = session.feed(as_bytes(input), actions);
  CHECK(consumed == input.size() - 6);
  CHECK(actions.question == Question::may_mail);
  CHECK(session.envelope().reverse_path == Mailbox{"a", "b"});
  actions.clear();
  CHECK(session.feed(as_bytes("NOOP\r\n"), actions) == 0);
  CHECK(actions.question == Question::may_mail);
  CHECK(actions.reply.empty());
  actions.clear();
  session.answer({}, actions);
  CHECK(actions.question == Question::none);
  CHECK(session.in_transaction());
  CHECK(session.feed(as_bytes("NOOP\r\n"), actions) == 6);
}

TEST_CASE("a client that talks before the greeting is sent away") {
  ServerSession session(rules_for_test(), client());
  Actions actions;
  session.greet(actions);
  actions.clear();
  CHECK(session.feed(as_bytes("EHLO x\r\n"), actions) == 0);
  CHECK(actions.reply.empty());
  actions.clear();
  session.answer({}, actions);
  CHECK(actions.reply == "554 5.5.1 You talked before the greeting\r\n");
  CHECK(actions.close);
  CHECK(session.feed(as_bytes("EHLO x\r\n"), actions) == 0);
}

TEST_CASE("what stands behind STARTTLS is consumed, and never run") {
  SessionRules rules = rules_for_test();
  rules.offer_start_tls = true;
  ServerSession session(rules, client());
  Actions actions;
  session.greet(actions);
  session.answer({}, actions);
  actions.clear();
  const std::string input = "STARTTLS\r\nHELO evil\r\nNO";
  CHECK(session.feed(as_bytes(input), actions) == input.size());
  CHECK(actions.question == Question::start_tls);
  CHECK(actions.reply == "220 2.0.0 Ready to start TLS\r\n");
  CHECK(session.feed(as_bytes("OP\r\nHELO evil"), actions) == 13);
  session.tls_started();
  CHECK(session.client_name().empty());
  actions.clear();
  CHECK(session.feed(as_bytes("NOOP\r\n"), actions) == 6);
  CHECK(actions.reply == "250 2.0.0 OK\r\n");
  CHECK(actions.question == Question::none);
}

TEST_CASE("content abandoned is said once, also to a driver that gathers replies") {
  SessionRules rules = rules_for_test();
  rules.size_limit_bytes = 3;
  ServerSession session(rules, client());
  Actions actions;  // never cleared as a whole
  session.greet(actions);
  session.answer({}, actions);
  const auto open_content = [&] {
    for (const std::string_view line : {"MAIL FROM:<a@b>\r\n", "RCPT TO:<c@d>\r\n", "DATA\r\n"}) {
      session.feed(as_bytes(line), actions);
      session.answer({}, actions);
      CHECK_FALSE(actions.content_abandoned);
    }
  };
  session.feed(as_bytes("HELO x\r\n"), actions);
  open_content();
  session.feed(as_bytes("12345"), actions);
  CHECK(actions.content_abandoned);
  CHECK(actions.content.empty());
  session.feed(as_bytes("\r\n.\r\n"), actions);
  CHECK_FALSE(actions.content_abandoned);
  open_content();
  session.feed(as_bytes("x\r\n.\r\n"), actions);
  CHECK(actions.question == Question::commit);
  CHECK(actions.content.size() == 1);
  CHECK(actions.reply.find("552 5.3.4") != std::string::npos);
}

TEST_CASE("the recipient in question is not yet in the envelope") {
  ServerSession session(rules_for_test(), client());
  Actions actions;
  session.greet(actions);
  session.answer({}, actions);
  session.feed(as_bytes("HELO x\r\nMAIL FROM:<a@b>\r\n"), actions);
  session.answer({}, actions);
  session.feed(as_bytes("RCPT TO:<c@d> NOTIFY=NEVER\r\n"), actions);
  CHECK(actions.question == Question::may_relay);
  CHECK(session.envelope().recipients.empty());
  CHECK(session.pending_recipient().address == Mailbox{"c", "d"});
  CHECK(session.pending_recipient().notify.never);
  session.answer({.accept = false, .reply = "550 5.7.1 No"}, actions);
  CHECK(session.envelope().recipients.empty());
  session.feed(as_bytes("RCPT TO:<e@f>\r\n"), actions);
  CHECK_FALSE(session.pending_recipient().notify.never);
  session.answer({}, actions);
  CHECK(session.envelope().recipients.size() == 1);
}

TEST_CASE("timers name the wait of RFC 5321 4.5.3.2") {
  SessionDriver driver(rules_for_test());
  driver.greet();
  CHECK(driver.timer() == TimerName::command);
  driver.send(std::string(kTransaction) + "DATA\r\n");
  CHECK(driver.timer() == TimerName::data_initiation);
  driver.send("x");
  CHECK(driver.timer() == TimerName::data_block);
  driver.decide = [&driver](Question question) {
    if (question == Question::commit) CHECK(driver.timer() == TimerName::data_termination);
    return Answer{};
  };
  driver.send("\r\n.\r\n");
  CHECK(driver.timer() == TimerName::command);
  CHECK(driver.session().messages_accepted() == 1);
}

TEST_CASE("a time-out or a lost client during commit does not take the message back") {
  for (const bool times_out : {true, false}) {
    ServerSession session(rules_for_test(), client());
    Actions actions;
    session.greet(actions);
    session.answer({}, actions);
    for (const std::string_view line :
         {"HELO x\r\nMAIL FROM:<a@b>\r\n", "RCPT TO:<c@d>\r\n", "DATA\r\n"}) {
      session.feed(as_bytes(line), actions);
      session.answer({}, actions);
    }
    session.feed(as_bytes(".\r\n"), actions);
    CHECK(actions.question == Question::commit);
    actions.clear();
    if (times_out) {
      session.time_out(actions);
    } else {
      session.peer_closed(actions);
    }
    CHECK(actions.close);
    CHECK_FALSE(actions.content_abandoned);
    actions.clear();
    session.answer({.queue_id = "X"}, actions);
    CHECK(actions.reply.empty());
    CHECK(actions.question == Question::none);
  }
}

TEST_CASE("the protocol for the trace field") {
  SessionRules rules = rules_for_test();
  rules.offer_start_tls = true;
  SessionDriver driver(rules);
  driver.greet();
  driver.send("HELO x\r\n");
  CHECK(driver.session().protocol() == ExtendedProtocol::smtp);
  CHECK(driver.session().client_name() == "x");
  driver.send("EHLO y\r\n");
  CHECK(driver.session().protocol() == ExtendedProtocol::esmtp);
  driver.send("MAIL FROM:<a@b> SMTPUTF8\r\n");
  CHECK(driver.session().protocol() == ExtendedProtocol::utf8smtp);
  driver.send("RSET\r\nSTARTTLS\r\n");
  CHECK(driver.waits_for_tls());
  driver.tls_started();
  CHECK(driver.session().client_name().empty());
  driver.send("EHLO y\r\n");
  CHECK(driver.session().protocol() == ExtendedProtocol::esmtps);
  driver.send("MAIL FROM:<a@b> SMTPUTF8\r\n");
  CHECK(driver.session().protocol() == ExtendedProtocol::utf8smtps);
}

TEST_CASE("a million recipients: 452 beyond the limit, and an end to it") {
  SessionDriver driver(rules_for_test());
  driver.greet();
  driver.send("HELO x\r\nMAIL FROM:<a@b>\r\n");
  std::string block;
  for (int i = 0; i < 1000; ++i) block += "RCPT TO:<c@d>\r\n";
  driver.send(block);
  CHECK(last_reply(driver) == "S: 250 2.1.5 <c@d>");
  driver.send(block);
  CHECK(last_reply(driver) == "S: 452 4.5.3 Too many recipients");
  for (int i = 0; i < 1000 && !driver.is_closed(); ++i) driver.send(block);
  CHECK(last_reply(driver) == "X: recipients flood");
}

TEST_CASE("content that is refused cannot go on for ever") {
  for (const std::string_view opening : {"DATA\r\n", "BDAT 300000000\r\n"}) {
    SessionRules rules = rules_for_test();
    rules.size_limit_bytes = 60'000'000;
    SessionDriver driver(rules);
    driver.greet();
    driver.send(std::string(kTransaction) + std::string(opening));
    std::string block(1 << 20, 'x');
    for (int i = 0; i < 400 && !driver.is_closed(); ++i) driver.send(block);
    CHECK(driver.is_closed());
    CHECK(driver.violations() == std::vector<std::string>{});
    const auto& log = driver.log();
    CHECK(log[log.size() - 2].starts_with("S: 552 5.3.4"));
    CHECK(log.back() == "X: endless refused content");
  }
}

TEST_CASE("an endless command line ends the session") {
  SessionDriver driver(rules_for_test());
  driver.greet();
  const std::string block(1 << 20, 'x');
  for (int i = 0; i < 300 && !driver.is_closed(); ++i) driver.send(block);
  const auto& log = driver.log();
  CHECK(log[1] == "S: 500 5.5.2 Line too long");
  CHECK(log.back() == "X: endless command line");
}

TEST_CASE("the longest addresses fit a reply line") {
  SessionDriver driver(rules_for_test());
  driver.greet();
  std::string quoted;
  for (size_t i = 0; i < kLocalPartMax; ++i) quoted += "\\\"";
  const std::string domain = std::string(63, 'd') + "." + std::string(50, 'd');
  driver.send("HELO x\r\nMAIL FROM:<\"" + quoted + "\"@" + domain + ">\r\n");
  CHECK(last_reply(driver).starts_with("S: 250 2.1.0 <\""));
  CHECK(driver.violations() == std::vector<std::string>{});
}

TEST_CASE("a driver's reply is cut to the line limit") {
  SessionDriver driver(rules_for_test());
  driver.greet();
  driver.send("HELO x\r\n");
  driver.script(Question::may_mail, 0, {.accept = false, .reply = "550 " + std::string(2000, 'x')});
  driver.send("MAIL FROM:<a@b>\r\n");
  CHECK(last_reply(driver).size() == 3 + kReplyLineMax - 2);
  CHECK(driver.violations() == std::vector<std::string>{});
}

TEST_CASE("a message that does not finish before the server goes down hears why") {
  ServerSession session(rules_for_test(), client());
  Actions actions;
  session.greet(actions);
  session.answer({}, actions);
  session.feed(as_bytes(std::string_view("HELO x\r\nMAIL FROM:<a@b>\r\n")), actions);
  session.answer({}, actions);
  session.feed(as_bytes(std::string_view("RCPT TO:<c@d>\r\n")), actions);
  session.answer({}, actions);
  session.feed(as_bytes(std::string_view("DATA\r\n")), actions);
  session.answer({}, actions);
  session.feed(as_bytes(std::string_view("half a message")), actions);
  REQUIRE(session.content_is_streaming());
  session.shut_down(actions);
  CHECK_FALSE(actions.close);
  actions.reply.clear();
  session.time_out(actions);
  CHECK(actions.reply.starts_with("421 4.3.2 "));
  CHECK(actions.close);
  CHECK(actions.content_abandoned);
}

TEST_CASE("ETRN is offered and asked only where mail is kept") {
  const auto say = [](bool offered, std::string_view command, bool accept) {
    SessionRules rules = rules_for_test();
    rules.offer_etrn = offered;
    ServerSession session(rules, client());
    Actions actions;
    session.greet(actions);
    session.answer({}, actions);
    session.feed(as_bytes(std::string_view("EHLO x\r\n")), actions);
    CHECK(actions.reply.contains("ETRN\r\n") == offered);
    actions.reply.clear();
    session.feed(as_bytes(command), actions);
    std::string asked;
    if (actions.question == Question::send_kept) {
      asked = session.requested_queue() + ": ";
      Answer answer;
      answer.accept = accept;
      if (!accept) answer.reply = "459 4.7.1 Node not allowed";
      session.answer(answer, actions);
    }
    return asked + actions.reply;
  };
  CHECK(say(true, "ETRN Branch.Example\r\n", true) ==
        "branch.example: 250 2.0.0 Queuing for node branch.example started\r\n");
  CHECK(say(true, "ETRN @branch.example\r\n", true).starts_with("@branch.example: 250 "));
  CHECK(say(true, "ETRN other.example\r\n", false) ==
        "other.example: 459 4.7.1 Node not allowed\r\n");
  for (const std::string bad :
       {"ETRN", "ETRN ", "ETRN #queue", "ETRN a b", "ETRN @", "ETRN -x-.", "ETRN <a@b>"}) {
    CAPTURE(bad);
    CHECK(say(true, bad + "\r\n", true).starts_with("501 5.5.4 "));
  }
  CHECK(say(false, "ETRN branch.example\r\n", true).starts_with("502 "));
}

TEST_CASE("exchanges: each command with its final reply, however the input is cut") {
  const std::string input =
      "EHLO client.test\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nDATA\r\n"
      "Subject: x\r\n\r\nhello\r\n.\r\nNONSENSE\r\nBDAT 4 LAST\r\nabcdRSET\r\nQUIT\r\n";
  for (const size_t step : {size_t{1}, size_t{3}, size_t{17}, input.size()}) {
    CAPTURE(step);
    SessionRules rules = rules_for_test();
    rules.record_exchanges = true;
    ServerSession session(rules, client());
    Actions actions;
    std::string open = input;
    const auto answer_all = [&] {
      while (actions.question != Question::none && !actions.close) {
        Answer answer;
        if (actions.question == Question::commit) answer.queue_id = "Q1";
        session.answer(answer, actions);
      }
    };
    session.greet(actions);
    answer_all();
    for (size_t at = 0; at < input.size() && !actions.close;) {
      const size_t size = std::min(step, input.size() - at);
      const size_t used = session.feed(as_bytes(std::string_view(input).substr(at, size)), actions);
      at += used;
      answer_all();
      actions.content.clear();
    }
    std::vector<std::string> said;
    for (const Exchange& exchange : actions.exchanges) {
      said.push_back(exchange.command + " -> " + exchange.reply.substr(0, 3) + " " +
                     std::to_string(exchange.content_bytes));
    }
    CHECK(said == std::vector<std::string>{
                      "EHLO client.test -> 250 0", "MAIL FROM:<a@b.test> -> 250 0",
                      "RCPT TO:<c@d.test> -> 250 0", "DATA -> 250 21", "NONSENSE -> 500 0",
                      "BDAT 4 LAST -> 503 0", "RSET -> 250 0", "QUIT -> 221 0"});
    CHECK(actions.exchanges[3].reply.starts_with("250 2.6.0 Q1 "));
    CHECK(actions.exchanges[0].reply_bytes > 100);
  }
}

TEST_CASE("exchanges are recorded only when asked for") {
  ServerSession session(rules_for_test(), client());
  Actions actions;
  session.greet(actions);
  session.answer({}, actions);
  session.feed(as_bytes(std::string_view("NOOP\r\n")), actions);
  CHECK(actions.reply.contains("250"));
  CHECK(actions.exchanges.empty());
}

TEST_CASE("no secret in what is recorded") {
  const std::string input =
      "EHLO c\r\nAUTH  PLAIN AHVzZXIAc2VjcmV0\r\nauth LOGIN\r\ndXNlcg==\r\nc2VjcmV0\r\n"
      "c2VjcmV0\r\nsecret\r\nAUTH CRAM-MD5\r\nNOOP secret?\r\n";
  SessionRules rules;
  rules.fqdn = "mx.example";
  rules.record_exchanges = true;
  rules.auth_mechanisms.add(sasl::Mechanism::plain);
  rules.auth_mechanisms.add(sasl::Mechanism::login);
  rules.auth_needs_tls = false;
  ServerSession session(rules, client());
  Actions actions;
  session.greet(actions);
  session.answer({}, actions);
  for (size_t at = 0; at < input.size();) {
    at += session.feed(as_bytes(std::string_view(input).substr(at)), actions);
    if (actions.question != Question::authenticate) continue;
    CHECK(session.authentication().user == "user");
    session.answer({.accept = false, .reply = "535 5.7.8 No"}, actions);
  }
  std::vector<std::string> said;
  for (const Exchange& exchange : actions.exchanges) {
    said.push_back(exchange.command + " -> " + exchange.reply.substr(0, 3));
  }
  CHECK(said == std::vector<std::string>{"EHLO c -> 250", "AUTH  PLAIN -> 535", "auth LOGIN -> 535",
                                         "? -> 500", "? -> 500", "AUTH CRAM-MD5 -> 504",
                                         "NOOP secret? -> 250"});
}
