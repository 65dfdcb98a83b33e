// A transcript: one conversation with the server session, as a list of steps and what must come.
//
//   == name of the case
//   !rules key=value ...      fields of SessionRules; text values have "_" for blanks
//   !split 1                  repeat with every split of the input in two
//   A: question accept|reject|close [reply or queue id]   the answer to the next such question
//   A: tls_started [bound] | time_out | shut_down | peer_closed | refuse_content <reply>
//   C: text                   the client sends text and CRLF; "C- text" without CRLF
//   S: line                   the reply line that must come
//   E: envelope   D: content  what must be committed; a case without E (D) does not look at it
//   U: user by MECHANISM      has authenticated; looked at like E
//   X: reason                 the session closes
//
// A case that does not begin with "S: 220" gets the default banner. In C, D and S: \r \n \t \0
// \\ \xHH, and \{N*text} for text N times. "C: DATA" is one step; every expectation up to the next
// C or A must be met when it is done (each line sent by itself), and all of them in the same order
// when the input comes at once, or octet by octet.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "session_driver.h"

namespace mailroot::smtp::test {

struct Step {
  enum class Kind { send, answer, tls_started, time_out, shut_down, peer_closed, refuse_content };
  Kind kind = Kind::send;
  std::string text;  // octets to send, or a reply
  Question question = Question::none;
  Answer answer = {};
  size_t expected_before = 0;  // expectations that must be met when the step begins
};

struct Transcript {
  std::string name;
  SessionRules rules;
  bool split = false;
  std::vector<Step> steps;
  std::vector<std::string> expected;
};

// Reads the cases of one file; errors are added to `problems` with their line.
std::vector<Transcript> parse_transcripts(std::string_view text,
                                          std::vector<std::string>& problems);

// Runs the case in every way of cutting its input; what went wrong, in words.
std::vector<std::string> run_transcript(const Transcript& transcript);

}  // namespace mailroot::smtp::test
