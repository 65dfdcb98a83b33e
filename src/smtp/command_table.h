// The commands of the session, as data.
#pragma once

#include <cstdint>
#include <string_view>

#include "session_state.h"

namespace mailroot::smtp {

// What stands after the verb and its space, without trailing white space.
using CommandHandler = void (*)(SessionState& session, std::string_view arguments,
                                Actions& actions);

enum CommandFlag : uint8_t {
  kCountsAsJunk = 1,  // brings no message nearer: counted against junk_max
  kNoArguments = 2,   // anything after the verb is 501
  kBeforeTls = 4,     // in order where TLS is required and has not begun (RFC 3207 4)
};

struct Command {
  std::string_view verb;  // upper case, at most eight letters
  uint16_t phases;        // bit(Phase) of those in which it is in order
  uint8_t flags;
  CommandHandler run;
};

// Null for a verb we do not know.
const Command* find_command(std::string_view verb);
// Runs one line, or says why not.
void run_command_line(SessionState& session, std::string_view line, Actions& actions);

}  // namespace mailroot::smtp
