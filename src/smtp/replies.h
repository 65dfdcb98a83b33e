// Writes reply lines (RFC 5321 4.2, RFC 2034) and counts the refusals.
#pragma once

#include <string_view>

#include "session_state.h"

namespace mailroot::smtp {

// One line of our own words.
void say(Actions& actions, std::string_view line);
// "<code and text> <address> <rest>".
void say_address(Actions& actions, std::string_view before, const Mailbox& address,
                 std::string_view after);
// As say, for a negative reply: 5yz count against errors_max, beyond it 421 is said instead.
void refuse(SessionState& session, Actions& actions, std::string_view line);
// A whole line made elsewhere: cut to the limit, and no octet in it can end it.
void refuse_with(SessionState& session, Actions& actions, std::string_view line);
// "421 4.x.y <fqdn> text", then closes. `reason` is static and for the log.
void say_closing(SessionState& session, Actions& actions, std::string_view status,
                 std::string_view text, std::string_view reason);
// Appends foreign text to a reply line, octets that could mislead as "?".
void append_escaped(std::string& line, std::string_view text, bool utf8);

}  // namespace mailroot::smtp
