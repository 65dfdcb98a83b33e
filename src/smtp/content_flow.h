// From the first octet of content to the commit question: DATA and BDAT, kept or swallowed.
#pragma once

#include <cstdint>
#include <string_view>

#include "session_state.h"

namespace mailroot::smtp {

// begin_content was accepted: the driver has a draft.
void open_content(SessionState& session);
// begin_content was rejected with `reply`: DATA ends there, a BDAT chunk is swallowed first.
void refuse_opening(SessionState& session, std::string_view reply, Actions& actions);
// The chunk announced to the decoder starts; an empty one is done at once.
void begin_chunk(SessionState& session, Actions& actions);
// Octets of content; returns how many were consumed.
size_t feed_content(SessionState& session, ByteView input, Actions& actions);
// Content octets this transaction may still bring.
uint64_t content_room_bytes(const SessionState& session);

}  // namespace mailroot::smtp
