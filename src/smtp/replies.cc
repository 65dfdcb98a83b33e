#include "replies.h"

#include "mailroot/base/assert.h"
#include "mailroot/smtp/grammar.h"
#include "mailroot/smtp/limits.h"

namespace mailroot::smtp {

namespace {

constexpr std::string_view kCrlf = "\r\n";

bool is_negative_reply(std::string_view line) {
  return line.size() >= 4 && (line[0] == '4' || line[0] == '5') && line[3] == ' ';
}

// False when the client has used up its errors; it has then been told and the session is closed.
bool count_error(SessionState& session, Actions& actions, std::string_view line) {
  if (line[0] != '5') return true;
  ++session.errors;
  const uint32_t most = session.rules.errors_max;
  if (most == 0 || session.errors <= most) return true;
  say_closing(session, actions, "421 4.7.0", "Too many errors", "too many errors");
  return false;
}

}  // namespace

void say(Actions& actions, std::string_view line) {
  actions.reply += line;
  actions.reply += kCrlf;
}

// The parser let nothing into an address that could end the line, and its limits keep it short.
void say_address(Actions& actions, std::string_view before, const Mailbox& address,
                 std::string_view after) {
  actions.reply += before;
  actions.reply += to_path(address);
  say(actions, after);
}

void refuse(SessionState& session, Actions& actions, std::string_view line) {
  MAILROOT_ASSERT(is_negative_reply(line), "a refusal is 4yz or 5yz");
  if (count_error(session, actions, line)) say(actions, line);
}

void refuse_with(SessionState& session, Actions& actions, std::string_view line) {
  MAILROOT_ASSERT(is_negative_reply(line), "a rejecting answer carries its 4yz or 5yz reply");
  if (!count_error(session, actions, line)) return;
  append_escaped(actions.reply, line.substr(0, kReplyLineMax - kCrlf.size()),
                 session.envelope.smtputf8);
  actions.reply += kCrlf;
}

void say_closing(SessionState& session, Actions& actions, std::string_view status,
                 std::string_view text, std::string_view reason) {
  actions.reply += status;
  actions.reply += ' ';
  actions.reply += session.rules.fqdn;
  actions.reply += ' ';
  actions.reply += text;
  say(actions, ", closing transmission channel");
  close_session(session, actions, reason);
}

void append_escaped(std::string& line, std::string_view text, bool utf8) {
  const bool keep_high = utf8 && is_valid_utf8(text);
  for (char c : text) {
    const auto octet = static_cast<unsigned char>(c);
    const bool keep = octet >= 0x80 ? keep_high : octet >= 0x20 && octet != 0x7f;
    line += keep ? c : '?';
  }
}

}  // namespace mailroot::smtp
