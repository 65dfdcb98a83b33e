#include "command_table.h"

#include <algorithm>
#include <array>

#include "grammar_internal.h"
#include "replies.h"
#include "verbs.h"

namespace mailroot::smtp {

namespace {

constexpr uint16_t kGreeted = bit(Phase::greeted);
constexpr uint16_t kReady = bit(Phase::ready);
constexpr uint16_t kMail = bit(Phase::mail);
constexpr uint16_t kRcpt = bit(Phase::rcpt);
constexpr uint16_t kAny = kGreeted | kReady | kMail | kRcpt | bit(Phase::chunks);
constexpr uint8_t kJunk = kCountsAsJunk;
constexpr uint8_t kClear = kBeforeTls;

// In order of how often they are met. RFC 5321 4.1.4 allows NOOP, HELP, VRFY, RSET, QUIT without a
// greeting. BDAT judges its order itself, because its payload follows in any case; without a
// transaction there is none for it to enter.
constexpr Command kCommands[] = {
    {"MAIL", kReady, 0, run_mail},
    {"RCPT", kMail | kRcpt, 0, run_rcpt},
    {"DATA", kRcpt, kNoArguments, run_data},
    {"BDAT", kAny, kClear, run_bdat},
    {"RSET", kAny, kJunk | kNoArguments, run_rset},
    {"NOOP", kAny, kJunk | kClear, run_noop},
    {"QUIT", kAny, kNoArguments | kClear, run_quit},
    {"EHLO", kAny, kJunk | kClear, run_ehlo},
    {"HELO", kAny, kJunk | kClear, run_helo},
    {"STARTTLS", kGreeted | kReady, kJunk | kNoArguments | kClear, run_start_tls},
    {"VRFY", kAny, kJunk, run_vrfy},
    {"HELP", kAny, kJunk, run_help},
    {"EXPN", kAny, kJunk, run_not_implemented},
    {"AUTH", kAny, kJunk, run_auth},
    {"ETRN", kAny, kJunk, run_etrn},
    {"TURN", kAny, kJunk, run_not_implemented},
    {"ATRN", kAny, kJunk, run_not_implemented},
    {"SEND", kAny, kJunk, run_not_implemented},
    {"SOML", kAny, kJunk, run_not_implemented},
    {"SAML", kAny, kJunk, run_not_implemented},
    {"GET", kAny, kClear, run_http},
    {"POST", kAny, kClear, run_http},
    {"HEAD", kAny, kClear, run_http},
    {"PUT", kAny, kClear, run_http},
    {"DELETE", kAny, kClear, run_http},
    {"PATCH", kAny, kClear, run_http},
    {"OPTIONS", kAny, kClear, run_http},
    {"CONNECT", kAny, kClear, run_http},
    {"TRACE", kAny, kClear, run_http},
    {"PRI", kAny, kClear, run_http},
};

// The verb in upper case as one number; 0 for what cannot be a verb of ours.
constexpr uint64_t pack(std::string_view verb) {
  if (verb.size() > 8) return 0;
  uint64_t packed = 0;
  for (char c : verb) {
    if (!is_alpha(static_cast<unsigned char>(c))) return 0;
    packed = packed << 8 | static_cast<unsigned char>(to_upper(c));
  }
  return packed;
}

constexpr auto kPackedVerbs = [] {
  std::array<uint64_t, std::size(kCommands)> packed{};
  for (size_t i = 0; i < packed.size(); ++i) packed[i] = pack(kCommands[i].verb);
  return packed;
}();

bool has_control_character(std::string_view line) {
  bool found = false;
  for (unsigned char c : line) found |= (c < 0x20 && c != '\t') || c == 0x7f;
  return found;
}

std::string_view order_error(const SessionState& session, const Command& command) {
  switch (session.phase) {
    case Phase::greeted:
      return "503 5.5.1 Send hello first";
    case Phase::ready:
      return "503 5.5.1 Need mail command";
    case Phase::mail:
      if (command.run == run_mail) return "503 5.5.1 Sender already specified";
      if (command.run == run_data) {
        return session.tried_recipient ? "554 5.5.1 No valid recipients"
                                       : "503 5.5.1 Need rcpt command";
      }
      break;
    case Phase::rcpt:
      if (command.run == run_mail) return "503 5.5.1 Sender already specified";
      break;
    case Phase::chunks:
      return "503 5.5.1 Only BDAT may follow BDAT";
    default:
      break;
  }
  return "503 5.5.1 Not during a mail transaction";
}

// False when the client has used up its commands that bring no message.
bool count_junk(SessionState& session, Actions& actions) {
  ++session.junk;
  const uint32_t most = session.rules.junk_max;
  if (most == 0 || session.junk <= most) return true;
  say_closing(session, actions, "421 4.7.0", "Too many commands without a message",
              "too many junk commands");
  return false;
}

}  // namespace

const Command* find_command(std::string_view verb) {
  const uint64_t packed = pack(verb);
  if (packed == 0) return nullptr;
  for (size_t i = 0; i < kPackedVerbs.size(); ++i) {
    if (kPackedVerbs[i] == packed) return &kCommands[i];
  }
  return nullptr;
}

void run_command_line(SessionState& session, std::string_view line, Actions& actions) {
  if (has_control_character(line)) {
    return refuse(session, actions, "500 5.5.2 Control character or bare line end in command");
  }
  while (line.ends_with(' ') || line.ends_with('\t')) line.remove_suffix(1);  // RFC 5321 4.1.1
  const std::string_view verb = line.substr(0, line.find(' '));
  const Command* command = find_command(verb);
  if (command == nullptr) {
    return refuse(session, actions,
                  line.empty() ? "500 5.5.2 Empty line" : "500 5.5.1 Unrecognized command");
  }
  if ((command->flags & kCountsAsJunk) != 0 && !count_junk(session, actions)) return;
  std::string_view arguments = line.substr(verb.size());
  while (arguments.starts_with(' ')) arguments.remove_prefix(1);
  if ((command->flags & kNoArguments) != 0 && !arguments.empty()) {
    return refuse(session, actions, "501 5.5.4 This command takes no parameters");
  }
  if (session.rules.require_tls && !session.is_tls && (command->flags & kBeforeTls) == 0) {
    return refuse(session, actions, "530 5.7.0 Must issue a STARTTLS command first");
  }
  if ((command->phases & bit(session.phase)) == 0) {
    return refuse(session, actions, order_error(session, *command));
  }
  command->run(session, arguments, actions);
}

}  // namespace mailroot::smtp
