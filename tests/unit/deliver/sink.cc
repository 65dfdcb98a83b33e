#include "sink.h"

#include <doctest/doctest.h>

#include <algorithm>

namespace mailroot::deliver::test {

struct Sink::Session {
  Session(reactor::Reactor& reactor, reactor::Descriptor descriptor, int id)
      : socket(descriptor), stream(reactor, descriptor), number(id) {}
  reactor::Descriptor socket;
  reactor::ReceiveStream stream;
  int number;
  std::string input;
  SinkMessage message;
  size_t messages = 0;
  bool has_quit = false;
};

Sink::Sink(reactor::Reactor& reactor, SocketAddress where, SinkRules sink_rules)
    : rules(std::move(sink_rules)), reactor_(reactor) {
  auto bound = reactor.backend().bind_socket(where, {});
  REQUIRE(bound.has_value());
  listener_ = *bound;
  REQUIRE(reactor.backend().listen(listener_, 64).has_value());
  address_ = *reactor.backend().local_address(listener_);
  tasks_.spawn(accept_all());
}

void Sink::stop() { scope_.cancel(); }

reactor::task<void> Sink::join() { co_await tasks_.join(); }

reactor::task<void> Sink::accept_all() {
  reactor::AcceptStream accepts(reactor_, listener_);
  for (;;) {
    const auto socket = co_await accepts.next(reactor::Wait{kNever, &scope_});
    if (!socket) break;
    tasks_.spawn(serve(*socket, ++connections));
  }
  co_await accepts.stop();
  co_await reactor_.close_now(listener_);
}

reactor::task<bool> Sink::read_more(Session& session) {
  const auto lease = co_await session.stream.next(reactor::Wait{kNever, &scope_});
  if (!lease) co_return false;
  session.input += as_text(lease->bytes());
  co_return true;
}

reactor::task<bool> Sink::say(Session& session, std::string text) {
  const size_t step = rules.byte_by_byte ? 1 : text.size();
  for (size_t at = 0; at < text.size(); at += step) {
    const iovec view{text.data() + at, step};
    const auto sent =
        co_await reactor_.send(session.socket, std::span(&view, 1), reactor::Wait{kNever, &scope_});
    if (!sent) co_return false;
    if (rules.byte_by_byte) {
      co_await reactor_.yield();
    }
  }
  co_return true;
}

reactor::task<bool> Sink::answer(Session& session, std::string verb, std::string usual) {
  Answer what{.text = std::move(usual)};
  const auto found = rules.answers.find(verb);
  if (found != rules.answers.end()) {
    size_t& used = used_[verb];
    what = found->second[std::min(used, found->second.size() - 1)];
    ++used;
  }
  if (what.delay > Duration{}) {
    co_await reactor_.sleep_until(reactor_.now() + what.delay, {kNever, &scope_});
  }
  const bool said = co_await say(session, std::move(what.text));
  if (what.stall) {
    for (bool more = true; more;) {
      more = co_await read_more(session);
      session.input.clear();
    }
    co_return false;
  }
  co_return said && !what.close;
}

// Whether the last answer to `verb` was told to be a refusal.
bool Sink::is_refused(const std::string& verb) const {
  const auto found = rules.answers.find(verb);
  if (found == rules.answers.end()) return false;
  const auto used = used_.find(verb);
  const size_t count = used == used_.end() ? 0 : used->second;
  const Answer& last =
      found->second[std::min(std::max<size_t>(count, 1), found->second.size()) - 1];
  return last.text.starts_with('4') || last.text.starts_with('5');
}

reactor::task<bool> Sink::take_data(Session& session) {
  size_t end = std::string::npos;
  while (end == std::string::npos) {
    end = session.input.starts_with(".\r\n") ? 0 : session.input.find("\r\n.\r\n");
    if (end != std::string::npos) break;
    if (rules.close_in_content > 0 && session.input.size() >= rules.close_in_content) {
      co_return false;
    }
    const bool more = co_await read_more(session);
    if (!more) co_return false;
  }
  const bool is_empty = session.input.starts_with(".\r\n");
  std::string text = is_empty ? "" : session.input.substr(0, end + 2);
  session.input.erase(0, is_empty ? 3 : end + 5);
  for (size_t at = 0; at < text.size(); at = text.find("\r\n", at) + 2) {
    if (text[at] == '.') text.erase(at, 1);
  }
  session.message.content = std::move(text);
  co_return true;
}

reactor::task<bool> Sink::take_bdat(Session& session, size_t size) {
  while (session.input.size() < size) {
    const bool more = co_await read_more(session);
    if (!more) co_return false;
  }
  session.message.content += session.input.substr(0, size);
  session.message.by_bdat = true;
  session.input.erase(0, size);
  co_return true;
}

reactor::task<bool> Sink::handle(Session& session, std::string line) {
  std::string verb = line.substr(0, line.find(' '));
  commands.push_back(line);
  if (verb == "EHLO" || verb == "HELO") {
    std::string reply = "250-sink.example\r\n";
    for (const auto& offer : rules.offers) reply += "250-" + offer + "\r\n";
    co_return co_await answer(session, verb, reply + "250 HELP\r\n");
  }
  if (verb == "MAIL") {
    session.message = SinkMessage();
    session.message.mail = line;
    session.message.connection = session.number;
  }
  if (verb == "RCPT" && is_refused("MAIL")) {
    co_return co_await say(session, "503 5.5.1 MAIL first\r\n");
  }
  if (verb == "RCPT") {
    const std::string path = line.substr(8, line.find('>') - 7);
    const auto found = rules.recipients.find(path);
    if (found != rules.recipients.end()) {
      co_return co_await say(session, found->second);
    }
    const bool overridden = rules.answers.contains("RCPT");
    if (!overridden) session.message.rcpt.push_back(path);
  }
  if (verb == "DATA" || verb == "BDAT") {
    if (verb == "DATA") {
      const bool has_recipients = !session.message.rcpt.empty();
      const bool goes_on = co_await answer(
          session, verb, has_recipients ? "354 go on\r\n" : "554 5.5.1 no recipients\r\n");
      if (!goes_on) co_return false;
      const bool refused = !has_recipients || rules.answers.contains("DATA");
      if (refused) co_return true;
      const bool taken = co_await take_data(session);
      if (!taken) co_return false;
    } else {
      const size_t size = std::stoul(line.substr(5));
      const bool taken = co_await take_bdat(session, size);
      if (!taken) co_return false;
    }
    const auto end = rules.answers.find("END");
    const bool is_taken =
        end == rules.answers.end() ||
        end->second[std::min(used_["END"], end->second.size() - 1)].text.starts_with("250 ");
    if (is_taken) messages.push_back(session.message);
    ++session.messages;
    const bool goes_on = co_await answer(session, "END", "250 2.0.0 taken\r\n");
    co_return goes_on&& session.messages != rules.close_after_messages;
  }
  if (verb == "QUIT") {
    ++quits;
    --open;
    session.has_quit = true;
    co_await answer(session, verb, "221 2.0.0 bye\r\n");
    co_return false;
  }
  co_return co_await answer(session, verb, "250 2.0.0 ok\r\n");
}

reactor::task<void> Sink::serve(reactor::Descriptor socket, int number) {
  most_open = std::max(most_open, ++open);
  Session session(reactor_, socket, number);
  bool goes_on = co_await answer(session, "GREETING", rules.greeting);
  while (goes_on) {
    const size_t end = session.input.find("\r\n");
    if (end == std::string::npos) {
      goes_on = co_await read_more(session);
      continue;
    }
    std::string line = session.input.substr(0, end);
    session.input.erase(0, end + 2);
    goes_on = co_await handle(session, std::move(line));
  }
  co_await session.stream.stop();
  reactor_.close(socket);
  if (!session.has_quit) --open;
}

}  // namespace mailroot::deliver::test
