// Drives a ServerSession as receive/ does, without sockets: answers its questions from a script (or
// accepts), keeps what it says and what it wants stored, and watches the rules of the contract.
// Shared by the transcripts, the unit tests and the fuzz targets.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mailroot/smtp/server_session.h"

namespace mailroot::smtp::test {

std::string_view name_of(Question question);

// "<a@b> body=8bitmime -> <c@d> notify=never", for comparison with a transcript.
std::string describe(const Envelope& envelope);

class SessionDriver {
 public:
  explicit SessionDriver(SessionRules rules);

  // The answer to the nth such question, counted from 0.
  void script(Question question, size_t nth, Answer answer) {
    script_[{question, nth}] = std::move(answer);
  }
  size_t asked(Question question) const;
  // Asked when the script has nothing; accepts by default.
  std::function<Answer(Question)> decide;

  void greet();
  // Octets from the client. What the session does not take (closed) is dropped.
  void send(std::string_view bytes);
  // Bound: the channel has data to bind to, and the client showed a certificate.
  void tls_started(bool is_bound = false);
  void time_out();
  void shut_down();
  void peer_closed();
  // Drops the draft, as a driver does that has no room for it.
  void refuse_content(std::string reply);
  // The next start_tls question is left open until tls_started().
  bool waits_for_tls() const { return waits_for_tls_; }

  struct Message {
    Envelope envelope;
    std::string content;
    bool accepted = false;  // the answer to commit
  };

  // "S: reply line", "E: envelope", "D: content line", "U: user by mechanism",
  // "X: reason of closing", in order.
  const std::vector<std::string>& log() const { return log_; }
  const std::vector<Message>& messages() const { return messages_; }
  // Broken rules of the contract; must stay empty.
  const std::vector<std::string>& violations() const { return violations_; }
  bool is_closed() const { return is_closed_; }
  size_t reply_lines() const { return reply_lines_; }
  ServerSession& session() { return session_; }
  TimerName timer() const { return timer_; }

 private:
  void act();
  Answer judge(const sasl::Request& request);
  void note_user(bool was_somebody);
  void take_reply(std::string_view reply);
  void take_commit();
  Answer next_answer(Question question);
  void expect(bool holds, std::string_view rule);

  ServerSession session_;
  Actions actions_;
  std::map<std::pair<Question, size_t>, Answer> script_;
  std::map<Question, size_t> asked_;
  std::vector<std::string> log_;
  std::vector<Message> messages_;
  std::vector<std::string> violations_;
  std::string draft_;
  TimerName timer_ = TimerName::command;
  size_t reply_lines_ = 0;
  bool draft_open_ = false;
  bool is_closed_ = false;
  bool waits_for_tls_ = false;
};

}  // namespace mailroot::smtp::test
