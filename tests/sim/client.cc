#include "client.h"

#include <fmt/format.h>

#include <algorithm>

namespace mailroot::simtest {

using reactor::task;
using std::chrono::minutes;
using std::chrono::seconds;

namespace {

constexpr uint64_t kClientStream = 1000;
constexpr Duration kPatience = minutes(6);
constexpr size_t kPieceBytes = 8000;

std::string mail_command(const Submission& submission) {
  return "MAIL FROM:<" + submission.sender + "> BODY=8BITMIME\r\n";
}

// Lines that begin with a dot get another one (RFC 5321 4.5.2).
std::string stuffed(std::string_view content) {
  std::string out;
  bool at_start = true;
  for (const char c : content) {
    if (at_start && c == '.') out += '.';
    out += c;
    at_start = c == '\n';
  }
  return out;
}

}  // namespace

Client::Client(reactor::Reactor& reactor, reactor::CancelScope& scope, const Scenario& scenario,
               const ClientPlan& plan, uint32_t number, Ledger& ledger)
    : reactor_(reactor),
      scope_(scope),
      scenario_(scenario),
      plan_(plan),
      number_(number),
      ledger_(ledger),
      chance_(scenario.seed, kClientStream + number) {}

task<void> Client::run() {
  co_await reactor_.sleep_until(reactor_.now() + plan_.starts_after, {kNever, &scope_});
  for (uint32_t i = 0; i < plan_.sessions && !scope_.is_cancelled(); ++i) {
    co_await session();
    const Instant next = reactor_.now() + chance_.up_to(seconds(20));
    co_await reactor_.sleep_until(next, {kNever, &scope_});
  }
}

task<void> Client::session() {
  const SocketAddress from{plan_.address, 0};
  const SocketAddress to = address_of(*scenario_.servers[plan_.server]);
  const reactor::Wait wait{reactor_.now() + seconds(40), &scope_};
  const result<reactor::Descriptor> socket = co_await reactor_.connect(to, &from, wait);
  if (!socket) co_return;
  const Pace pace = chance_.percent(60) ? Pace::at_once : static_cast<Pace>(chance_.below(4));
  Peer peer(reactor_, *socket, scope_, pace, chance_);
  style_ = static_cast<ClientStyle>(chance_.below(3));
  steps_left_ = plan_.is_rude ? chance_.below(30) : UINT64_MAX;
  if (plan_.is_silent) {
    co_await peer.pause(minutes(chance_.between(1, 5)));
  } else {
    co_await converse(peer);
  }
  co_await peer.close();
}

task<bool> Client::say(Peer& peer, std::string text) {
  if (steps_left_ == 0) co_return false;
  --steps_left_;
  const bool said = co_await peer.say(std::move(text));
  co_return said;
}

task<void> Client::converse(Peer& peer) {
  const int greeting = co_await peer.reply(kPatience);
  if (greeting != 220) co_return;
  const bool said = co_await say(peer, fmt::format("EHLO client{}.example\r\n", number_));
  if (!said) co_return;
  const int code = co_await peer.reply(kPatience);
  if (code != 250) co_return;
  const uint64_t messages = chance_.between(1, 4);
  for (uint64_t i = 0; i < messages; ++i) {
    const bool goes_on = co_await transaction(peer);
    if (!goes_on) co_return;
  }
  const bool quit = co_await say(peer, "QUIT\r\n");
  if (quit) {
    co_await peer.reply(kPatience);
  }
}

task<bool> Client::transaction(Peer& peer) {
  Submission& submission = draw_submission();
  submission.began_at = reactor_.now();
  bool goes_on = false;
  if (style_ == ClientStyle::pipelining) {
    goes_on = co_await envelope_at_once(peer, submission);
  } else {
    goes_on = co_await envelope_politely(peer, submission);
  }
  if (!goes_on) co_return false;
  const bool any = std::ranges::any_of(submission.recipients,
                                       [](const auto& entry) { return entry.second.accepted; });
  if (!any) {
    const bool said = co_await say(peer, "RSET\r\n");
    if (!said) co_return false;
    const int code = co_await peer.reply(kPatience);
    co_return code == 250;
  }
  if (style_ == ClientStyle::chunking) {
    goes_on = co_await chunks(peer, submission);
  } else {
    goes_on = co_await data(peer, submission);
  }
  co_return goes_on;
}

void Client::note_recipient(Submission& submission, const std::string& address, int code) {
  submission.recipients[address].accepted = code == 250;
  const auto accepted = std::ranges::count_if(
      submission.recipients, [](const auto& entry) { return entry.second.accepted; });
  const auto limit = scenario_.servers[submission.server]->recipients_limit;
  if (accepted > static_cast<ptrdiff_t>(limit)) {
    ledger_.violation(fmt::format("4: {} recipients taken, {} allowed", accepted, limit));
  }
}

task<bool> Client::envelope_politely(Peer& peer, Submission& submission) {
  const bool said_mail = co_await say(peer, mail_command(submission));
  if (!said_mail) co_return false;
  const int mail = co_await peer.reply(kPatience);
  if (mail != 250) co_return mail >= 400 && mail != 421;
  for (const auto& [address, ignored] : submission.recipients) {
    const bool said = co_await say(peer, "RCPT TO:<" + address + ">\r\n");
    if (!said) co_return false;
    const int code = co_await peer.reply(kPatience);
    if (code == 0 || code == 421) co_return false;
    note_recipient(submission, address, code);
  }
  co_return true;
}

// MAIL and every RCPT in one piece (RFC 2920); replies afterwards.
task<bool> Client::envelope_at_once(Peer& peer, Submission& submission) {
  std::string commands = mail_command(submission);
  for (const auto& [address, ignored] : submission.recipients) {
    commands += "RCPT TO:<" + address + ">\r\n";
  }
  const bool said = co_await say(peer, std::move(commands));
  if (!said) co_return false;
  const int mail = co_await peer.reply(kPatience);
  if (mail == 0 || mail == 421) co_return false;
  for (const auto& [address, ignored] : submission.recipients) {
    const int code = co_await peer.reply(kPatience);
    if (code == 0 || code == 421) co_return false;
    note_recipient(submission, address, code);
  }
  co_return true;
}

task<bool> Client::data(Peer& peer, Submission& submission) {
  const bool said = co_await say(peer, "DATA\r\n");
  if (!said) co_return false;
  const int go_ahead = co_await peer.reply(kPatience);
  if (go_ahead != 354) co_return go_ahead >= 400 && go_ahead != 421;
  const std::string text = stuffed(submission.content) + ".\r\n";
  for (size_t at = 0; at < text.size(); at += kPieceBytes) {
    std::string piece = text.substr(at, kPieceBytes);
    if (at + piece.size() == text.size() && steps_left_ > 0) submission.promise = Promise::unknown;
    const bool sent = co_await say(peer, std::move(piece));
    if (!sent) co_return false;
  }
  const int code = co_await peer.reply(kPatience);
  judge(peer, code, submission);
  co_return code != 0 && code != 421;
}

task<bool> Client::chunks(Peer& peer, Submission& submission) {
  const std::string& content = submission.content;
  const size_t chunk = chance_.between(1, content.size());
  for (size_t at = 0; at < content.size(); at += chunk) {
    const std::string piece = content.substr(at, chunk);
    const bool is_last = at + piece.size() == content.size();
    if (is_last && steps_left_ > 0) submission.promise = Promise::unknown;
    const bool sent = co_await say(
        peer, fmt::format("BDAT {}{}\r\n", piece.size(), is_last ? " LAST" : "") + piece);
    if (!sent) co_return false;
    const int code = co_await peer.reply(kPatience);
    if (is_last) judge(peer, code, submission);
    if (code == 0 || code == 421) co_return false;
    if (code != 250 && !is_last) {
      const bool reset = co_await say(peer, "RSET\r\n");
      if (!reset) co_return false;
      const int done = co_await peer.reply(kPatience);
      co_return done == 250;
    }
  }
  co_return true;
}

void Client::judge(const Peer& peer, int code, Submission& submission) {
  if (code >= 400) submission.promise = Promise::rejected;
  if (code != 250) return;
  submission.promise = Promise::given;
  // "250 2.6.0 <queue id> accepted"
  const std::string& text = peer.text();
  const size_t from = text.find(' ', 4);
  if (from != std::string::npos) {
    submission.queue_id = text.substr(from + 1, text.find(' ', from + 1) - from - 1);
  }
}

Submission& Client::draw_submission() {
  const uint64_t token = number_ * 1000 + submissions_++;
  std::string sender;
  if (!chance_.percent(15)) {
    sender = fmt::format("s{}@{}", token, scenario_.hops.front().domain);
  }
  const size_t domains = scenario_.hops.size() - 1;
  std::vector<std::string> recipients;
  const uint64_t count = chance_.percent(50) ? 1 : chance_.between(1, 10);
  for (uint64_t i = 0; i < count; ++i) {
    std::string domain = scenario_.hops[chance_.below(domains)].domain;
    if (chance_.percent(15)) domain = scenario_.servers[plan_.server]->default_domain;
    if (chance_.percent(3)) domain = "nowhere.example";
    recipients.push_back(fmt::format("r{}-{}@{}", token, i, domain));
  }
  return ledger_.open(plan_.server, std::move(sender), std::move(recipients), draw_content(token));
}

std::string Client::draw_content(uint64_t token) {
  std::string content = fmt::format(
      "X-Sim-Token: {}\r\nDate: Thu, 01 Jan 2026 00:00:00 +0000\r\n"
      "Message-ID: <{}@client.example>\r\n\r\n",
      token, token);
  size_t size = chance_.below(2000);
  if (chance_.percent(15)) size = chance_.below(60'000);
  if (chance_.percent(3)) size = 256 * kKiB + chance_.below(200'000);
  while (size > 0) {
    const size_t length = std::min<size_t>(size, chance_.below(size > 10'000 ? 900 : 75));
    std::string line(length, 'a');
    for (char& c : line) c = static_cast<char>('!' + chance_.below(90));
    if (chance_.percent(20)) line.insert(0, chance_.percent(50) ? "." : "..");
    if (chance_.percent(10)) line += "\xC3\xA9";
    content += line + "\r\n";
    size -= std::min(size, length + 2);
  }
  return content;
}

}  // namespace mailroot::simtest
