#include "next_hop.h"

#include <fmt/format.h>

#include <charconv>

namespace mailroot::simtest {

using reactor::task;

namespace {

constexpr uint64_t kHopStream = 5000;
constexpr Duration kPatience = std::chrono::minutes(15);
constexpr size_t kRecipientsPerTransactionMax = 100;

std::string path_of(std::string_view line) {
  const size_t from = line.find('<');
  const size_t to = line.find('>', from);
  return std::string(line.substr(from + 1, to - from - 1));
}

std::string unstuffed(std::string_view text) {
  std::string out;
  bool at_start = true;
  for (const char c : text) {
    if (!(at_start && c == '.')) out += c;
    at_start = c == '\n';
  }
  return out;
}

}  // namespace

struct NextHop::Session {
  Session(reactor::Reactor& reactor, reactor::Descriptor socket, reactor::CancelScope& scope,
          Pace pace, Chance& chance)
      : peer(reactor, socket, scope, pace, chance) {}

  Peer peer;
  Misdeed misdeed = Misdeed::none;
  Verb at = Verb::greeting;
  uint64_t after = 0;  // good transactions before the misdeed
  Instant began{};
  bool has_mail = false;
  std::string sender;
  std::vector<std::string> recipients;  // taken
  std::vector<std::string> asked;
  std::string content;
  std::vector<Delivery*> taken;  // certain as soon as the sender goes on
};

NextHop::NextHop(reactor::Reactor& reactor, reactor::CancelScope& scope, const Scenario& scenario,
                 const HopPlan& plan, uint32_t number, Ledger& ledger)
    : reactor_(reactor),
      scope_(scope),
      scenario_(scenario),
      plan_(plan),
      ledger_(ledger),
      chance_(scenario.seed, kHopStream + number) {}

task<void> NextHop::run() {
  for (const IpAddress& address : plan_.addresses) listeners_.spawn(listen(address));
  co_await listeners_.join();
  co_await connections_.join();
}

task<void> NextHop::listen(IpAddress address) {
  const auto listener =
      reactor_.backend().bind_socket({address, kHopPort}, reactor::ListenOptions{});
  MAILROOT_ASSERT(listener.has_value(), "a next hop has its address for itself");
  const auto listening = reactor_.backend().listen(*listener, 128);
  MAILROOT_ASSERT(listening.has_value(), "a bound socket can listen");
  reactor::AcceptStream arriving(reactor_, *listener);
  while (!scope_.is_cancelled()) {
    const auto socket = co_await arriving.next({kNever, &scope_});
    if (socket) connections_.spawn(serve(*socket));
  }
  co_await arriving.stop();
  co_await reactor_.close_now(*listener);
}

task<void> NextHop::serve(reactor::Descriptor socket) {
  Pace pace = Pace::at_once;
  if (!is_calm_ && chance_.percent(20)) pace = static_cast<Pace>(chance_.below(4));
  Session session(reactor_, socket, scope_, pace, chance_);
  session.began = reactor_.now();
  if (!is_calm_ && chance_.percent(plan_.manners.misbehaves)) {
    session.misdeed = static_cast<Misdeed>(chance_.between(1, 7));
    session.at = static_cast<Verb>(chance_.below(6));
    session.after = chance_.below(3);
    if (session.misdeed == Misdeed::silent && chance_.percent(50)) session.misdeed = Misdeed::cuts;
  }
  co_await converse(session);
  co_await session.peer.close();
}

task<void> NextHop::converse(Session& session) {
  bool goes_on = co_await answer(session, Verb::greeting, "220 hop.example ready\r\n");
  while (goes_on) {
    ++listening_;
    auto line = co_await session.peer.line(kPatience);
    --listening_;
    if (!line) break;
    ledger_.note(fmt::format("hop {} hears {}", plan_.domain, *line));
    for (Delivery* delivery : session.taken) delivery->is_certain = true;
    session.taken.clear();
    goes_on = co_await obey(session, std::move(*line));
  }
}

std::string NextHop::hello_reply() const {
  std::string reply = "250-hop.example\r\n";
  if (plan_.manners.pipelining) reply += "250-PIPELINING\r\n";
  if (plan_.manners.chunking) reply += "250-CHUNKING\r\n";
  return reply + "250-8BITMIME\r\n250-ENHANCEDSTATUSCODES\r\n250 SIZE\r\n";
}

task<bool> NextHop::obey(Session& session, std::string line) {
  const std::string verb = line.substr(0, 4);
  bool goes_on = true;
  if (verb == "EHLO") {
    goes_on = co_await answer(session, Verb::hello, hello_reply());
  } else if (verb == "HELO") {
    goes_on = co_await answer(session, Verb::hello, "250 hop.example\r\n");
  } else if (verb == "MAIL") {
    session.sender = path_of(line);
    session.recipients.clear();
    session.asked.clear();
    session.content.clear();
    session.has_mail = !is_refused(session, Verb::mail);
    goes_on = co_await answer(session, Verb::mail, "250 2.1.0 fine\r\n");
  } else if (verb == "RCPT") {
    goes_on = co_await take_recipient(session, std::move(line));
  } else if (verb == "DATA") {
    goes_on = co_await take_data(session);
  } else if (verb == "BDAT") {
    goes_on = co_await take_chunk(session, std::move(line));
  } else if (verb == "QUIT") {
    co_await session.peer.say("221 2.0.0 bye\r\n");
    goes_on = false;
  } else if (verb == "RSET" || verb == "NOOP") {
    session.recipients.clear();
    goes_on = co_await session.peer.say("250 2.0.0 fine\r\n");
  } else {
    ledger_.violation("2: a next hop heard '" + line.substr(0, 60) + "'");
    goes_on = false;
  }
  co_return goes_on;
}

// Will answer() do something else than it is told?
bool NextHop::is_refused(const Session& session, Verb verb) const {
  const bool is_due = !is_calm_ && session.at == verb && session.after == 0;
  return is_due && session.misdeed != Misdeed::none && session.misdeed != Misdeed::dies_in_data &&
         session.misdeed != Misdeed::takes_mutely;
}

// The reply that was meant, or the misdeed. False: the session is over.
task<bool> NextHop::answer(Session& session, Verb verb, std::string reply) {
  const bool refused = is_refused(session, verb);
  if (session.at == verb && session.after > 0) --session.after;
  bool goes_on = true;
  if (!refused) {
    goes_on = co_await session.peer.say(std::move(reply));
    co_return goes_on;
  }
  switch (session.misdeed) {
    case Misdeed::transient:
      goes_on = co_await session.peer.say("450 4.3.0 not now\r\n");
      break;
    case Misdeed::permanent:
      blame(session);
      goes_on = co_await session.peer.say("550 5.3.0 never\r\n");
      break;
    case Misdeed::leaves:
      co_await session.peer.say("421 4.3.2 leaving\r\n");
      goes_on = false;
      break;
    case Misdeed::silent:
      co_await session.peer.pause(std::chrono::minutes(chance_.between(1, 20)));
      goes_on = false;
      break;
    default:
      goes_on = false;
      break;
  }
  co_return goes_on;
}

// Who may be returned to its sender for this 5yz: those it was about, or all who may have been
// waiting for this connection.
void NextHop::blame(const Session& session) {
  if (session.at == Verb::greeting || session.at == Verb::hello || session.at == Verb::mail) {
    ledger_.refuse_all(plan_.domain);
    return;
  }
  const auto& blamed = session.at == Verb::rcpt ? session.asked : session.recipients;
  for (const std::string& address : blamed) ledger_.refuse(address);
}

task<bool> NextHop::take_recipient(Session& session, std::string line) {
  const std::string address = path_of(line);
  session.asked.assign(1, address);
  bool goes_on = true;
  if (!plan_.domain.empty() && !address.ends_with("@" + plan_.domain)) {
    ledger_.violation(fmt::format("2: {} was sent to the host of {}", address, plan_.domain));
  }
  if (!is_calm_ && plan_.manners.greylists && known_.insert(address).second) {
    goes_on = co_await session.peer.say("451 4.7.1 come again\r\n");
    co_return goes_on;
  }
  if (!session.has_mail) {
    goes_on = co_await session.peer.say("503 5.5.1 no transaction\r\n");
    co_return goes_on;
  }
  if (!is_refused(session, Verb::rcpt)) session.recipients.push_back(address);
  if (session.recipients.size() > kRecipientsPerTransactionMax) {
    ledger_.violation("4: more recipients in one transaction than every server takes");
  }
  goes_on = co_await answer(session, Verb::rcpt, "250 2.1.5 fine\r\n");
  co_return goes_on;
}

task<bool> NextHop::take_data(Session& session) {
  const bool is_data_refused = is_refused(session, Verb::data);
  bool goes_on = false;
  if (session.recipients.empty()) {
    goes_on = co_await session.peer.say("503 5.5.1 no recipients\r\n");
    co_return goes_on;
  }
  goes_on = co_await answer(session, Verb::data, "354 go ahead\r\n");
  if (!goes_on || is_data_refused) co_return goes_on;
  std::string& buffer = session.peer.buffer();
  size_t end = std::string::npos;
  size_t looked = 0;
  while (true) {
    if (buffer.starts_with(".\r\n")) {
      end = 0;
      break;
    }
    end = buffer.find("\r\n.\r\n", looked);
    if (end != std::string::npos) {
      end += 2;
      break;
    }
    looked = buffer.size() < 4 ? 0 : buffer.size() - 4;
    if (session.misdeed == Misdeed::dies_in_data && !is_calm_ && !buffer.empty()) co_return false;
    const bool more = co_await session.peer.fill(kPatience);
    if (!more) co_return false;
  }
  session.content = unstuffed(buffer.substr(0, end));
  buffer.erase(0, end + 3);
  goes_on = co_await take_message(session);
  co_return goes_on;
}

task<bool> NextHop::take_chunk(Session& session, std::string line) {
  size_t size = 0;
  std::from_chars(line.data() + 5, line.data() + line.size(), size);
  std::string& buffer = session.peer.buffer();
  while (buffer.size() < size) {
    if (session.misdeed == Misdeed::dies_in_data && !is_calm_) co_return false;
    const bool more = co_await session.peer.fill(kPatience);
    if (!more) co_return false;
  }
  session.content += buffer.substr(0, size);
  buffer.erase(0, size);
  bool goes_on = false;
  if (session.recipients.empty()) {
    goes_on = co_await session.peer.say("503 5.5.1 no recipients\r\n");
  } else if (line.ends_with(" LAST")) {
    goes_on = co_await take_message(session);
  } else {
    goes_on = co_await session.peer.say("250 2.0.0 go on\r\n");
  }
  co_return goes_on;
}

task<bool> NextHop::take_message(Session& session) {
  bool goes_on = false;
  if (is_refused(session, Verb::end_of_data)) {
    goes_on = co_await answer(session, Verb::end_of_data, "");
    session.recipients.clear();
    co_return goes_on;
  }
  session.taken = ledger_.take(session.sender, session.recipients, session.content, session.began,
                               reactor_.now());
  session.recipients.clear();
  if (!is_calm_ && session.misdeed == Misdeed::takes_mutely) co_return false;
  goes_on = co_await answer(session, Verb::end_of_data, "250 2.0.0 taken\r\n");
  co_return goes_on;
}

}  // namespace mailroot::simtest
