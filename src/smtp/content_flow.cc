#include "content_flow.h"

#include <algorithm>
#include <charconv>

#include "mailroot/base/assert.h"
#include "mailroot/smtp/limits.h"
#include "replies.h"

namespace mailroot::smtp {

namespace {

// The smaller of the two limits, and whose it is.
struct ContentLimit {
  uint64_t bytes = UINT64_MAX;
  Refusal refusal = Refusal::message_size;
};

ContentLimit content_limit(const SessionState& session) {
  ContentLimit limit;
  if (session.rules.size_limit_bytes != 0) limit.bytes = session.rules.size_limit_bytes;
  const uint64_t session_limit = session.rules.session_size_limit_bytes;
  if (session_limit != 0) {
    const uint64_t left = session_limit - std::min(session_limit, session.session_bytes);
    if (left < limit.bytes) limit = {left, Refusal::session_size};
  }
  return limit;
}

// The driver's reason stays, size goes before line ends: which of two reasons is found first
// depends on how the input is cut, and the reply must not.
void set_refusal(SessionState& session, Refusal refusal, Actions& actions) {
  abandon_content(session, actions);
  if (session.refusal == Refusal::none || session.refusal == Refusal::bare_line_end) {
    session.refusal = refusal;
  }
}

// Says why the content is not kept; the transaction is over.
void say_refusal(SessionState& session, Actions& actions) {
  switch (session.refusal) {
    case Refusal::none:
      MAILROOT_ASSERT(false, "nothing was refused");
      break;
    case Refusal::driver:
      refuse_with(session, actions, session.refusal_reply);
      break;
    case Refusal::message_size:
      refuse(session, actions, "552 5.3.4 Message size exceeds fixed maximum message size");
      break;
    case Refusal::session_size:
      if (session.content_bytes > session.rules.session_size_limit_bytes) {
        refuse(session, actions, "552 5.3.4 Message size exceeds fixed maximum session size");
      } else {  // it would fit into a session of its own
        say_closing(session, actions, "421 4.3.4", "Session size limit reached",
                    "session size limit");
      }
      break;
    case Refusal::bare_line_end:
      refuse(session, actions, "550 5.6.11 Content has a bare CR or LF; lines must end in CRLF");
      break;
  }
  if (session.phase != Phase::closed) end_transaction(session, actions);
}

// Judges what the decoder has put out since `first_piece`.
void account(SessionState& session, size_t first_piece, bool saw_bare, Actions& actions) {
  for (size_t i = first_piece; i < actions.content.size(); ++i) {
    session.content_bytes += actions.content[i].size();
  }
  if (saw_bare && !session.rules.normalise_bare_line_feed) {
    set_refusal(session, Refusal::bare_line_end, actions);
  }
  const ContentLimit limit = content_limit(session);
  if (session.content_bytes > limit.bytes) set_refusal(session, limit.refusal, actions);
  if (session.refusal != Refusal::none && actions.content.size() > first_piece) {
    actions.content.resize(first_piece);
  }
}

void finish_content(SessionState& session, Actions& actions) {
  session.session_bytes += session.content_bytes;
  if (session.refusal != Refusal::none) return say_refusal(session, actions);
  session.phase = Phase::committing;
  ask(session, Question::commit);
}

void say_received(uint64_t size_bytes, Actions& actions) {
  char digits[20];
  const auto end = std::to_chars(digits, digits + sizeof digits, size_bytes).ptr;
  actions.reply += "250 2.6.0 ";
  actions.reply.append(digits, end);
  say(actions, " octets received");
}

// The whole payload of a BDAT is consumed.
void end_chunk(SessionState& session, Actions& actions) {
  if (!session.chunk.is_kept) {
    session.phase = session.chunk.phase_after;
    return refuse(session, actions, session.chunk.reply);
  }
  if (session.refusal != Refusal::none) return finish_content(session, actions);
  if (!session.chunk.is_last) {
    session.phase = Phase::chunks;
    return say_received(session.content_bytes, actions);
  }
  const size_t first_piece = actions.content.size();
  session.chunk_decoder.finish(actions.content);
  account(session, first_piece, session.chunk_decoder.saw_bare(), actions);
  finish_content(session, actions);
}

// A client that goes on and on after its content was refused is told so and left.
bool swallow(SessionState& session, size_t consumed, Actions& actions) {
  if (session.refusal == Refusal::none) return true;
  session.swallowed_bytes += consumed;
  if (session.swallowed_bytes <= kSwallowedMax) return true;
  say_refusal(session, actions);
  if (session.phase != Phase::closed) close_session(session, actions, "endless refused content");
  return false;
}

size_t feed_data(SessionState& session, ByteView input, Actions& actions) {
  const size_t first_piece = actions.content.size();
  const size_t consumed = session.data_decoder.decode(input, actions.content);
  account(session, first_piece, session.data_decoder.saw_bare(), actions);
  if (session.data_decoder.ended()) {
    finish_content(session, actions);
  } else {
    swallow(session, consumed, actions);
  }
  return consumed;
}

size_t feed_chunk(SessionState& session, ByteView input, Actions& actions) {
  const size_t first_piece = actions.content.size();
  const size_t consumed = session.chunk_decoder.decode(input, actions.content);
  if (session.chunk.is_kept) {
    account(session, first_piece, session.chunk_decoder.saw_bare(), actions);
  } else {
    actions.content.resize(first_piece);
  }
  if (swallow(session, consumed, actions) && session.chunk_decoder.remaining_bytes() == 0) {
    end_chunk(session, actions);
  }
  return consumed;
}

}  // namespace

uint64_t content_room_bytes(const SessionState& session) {
  const uint64_t limit = content_limit(session).bytes;
  return limit - std::min(limit, session.content_bytes);
}

void open_content(SessionState& session) {
  session.draft_open = true;
  session.content_started = false;
  session.content_bytes = 0;
  session.swallowed_bytes = 0;
  session.refusal = Refusal::none;
}

void refuse_opening(SessionState& session, std::string_view reply, Actions& actions) {
  if (!session.is_chunked) {
    refuse_with(session, actions, reply);
    if (session.phase != Phase::closed) end_transaction(session, actions);
    return;
  }
  session.refusal = Refusal::driver;
  session.refusal_reply = reply;
  session.swallowed_bytes = 0;
  begin_chunk(session, actions);
}

void begin_chunk(SessionState& session, Actions& actions) {
  session.phase = Phase::chunk;
  const uint64_t size = session.chunk_decoder.remaining_bytes();
  if (session.chunk.is_kept && size > content_room_bytes(session)) {
    set_refusal(session, content_limit(session).refusal, actions);
  }
  if (size == 0) end_chunk(session, actions);
}

size_t feed_content(SessionState& session, ByteView input, Actions& actions) {
  session.content_started = true;
  return session.phase == Phase::data ? feed_data(session, input, actions)
                                      : feed_chunk(session, input, actions);
}

}  // namespace mailroot::smtp
