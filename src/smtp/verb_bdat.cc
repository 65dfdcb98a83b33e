// bdat = "BDAT" SP chunk-size [ SP "LAST" ] CRLF                               (RFC 3030 2)
#include <algorithm>
#include <charconv>
#include <optional>

#include "content_flow.h"
#include "mailroot/smtp/grammar.h"
#include "mailroot/smtp/limits.h"
#include "replies.h"
#include "verbs.h"

namespace mailroot::smtp {

namespace {

struct BdatArguments {
  uint64_t size_bytes = 0;  // UINT64_MAX when it does not fit into 64 bits
  bool is_last = false;
};

// chunk-size = 1*DIGIT
std::optional<BdatArguments> parse_bdat(std::string_view text) {
  BdatArguments arguments;
  const std::string_view size = text.substr(0, text.find(' '));
  text.remove_prefix(size.size());
  while (text.starts_with(' ')) text.remove_prefix(1);
  arguments.is_last = equals_ignoring_case(text, "LAST");
  if (!text.empty() && !arguments.is_last) return std::nullopt;
  const bool digits = std::ranges::all_of(size, [](char c) { return c >= '0' && c <= '9'; });
  if (size.empty() || !digits) return std::nullopt;
  const auto parsed = std::from_chars(size.data(), size.data() + size.size(), arguments.size_bytes);
  if (parsed.ec == std::errc::result_out_of_range) arguments.size_bytes = UINT64_MAX;
  return arguments;
}

// Empty when the chunk belongs to a transaction that can take it.
std::string_view check_bdat(const SessionState& session) {
  if (!session.offers(Extension::chunking)) return "502 5.5.1 Command not implemented";
  switch (session.phase) {
    case Phase::greeted:
      return "503 5.5.1 Send hello first";
    case Phase::ready:
      return "503 5.5.1 Need mail command";
    case Phase::mail:
      return session.tried_recipient ? "554 5.5.1 No valid recipients"
                                     : "503 5.5.1 Need rcpt command";
    default:
      return {};
  }
}

}  // namespace

// A size that is no number carries no payload we could know of: 501 alone. One that is absurd
// cannot be swallowed: 552 and the end. Any other chunk is read to its end, whatever we say to it.
void run_bdat(SessionState& session, std::string_view text, Actions& actions) {
  const auto arguments = parse_bdat(text);
  if (!arguments) return refuse(session, actions, "501 5.5.4 Syntax: BDAT size [LAST]");
  const auto error = check_bdat(session);
  const uint64_t room = error.empty() ? content_room_bytes(session) : 0;
  if (arguments->size_bytes > room && arguments->size_bytes - room > kSwallowedMax) {
    refuse(session, actions, "552 5.3.4 Chunk size is beyond any limit");
    if (session.phase != Phase::closed) close_session(session, actions, "absurd BDAT size");
    return;
  }
  session.chunk_decoder.begin_chunk(arguments->size_bytes);
  session.chunk = Chunk{.is_last = arguments->is_last,
                        .is_kept = error.empty(),
                        .phase_after = session.phase,
                        .reply = error};
  if (!error.empty() || session.phase == Phase::chunks) return begin_chunk(session, actions);
  session.is_chunked = true;
  ask(session, Question::begin_content);
}

void apply_bdat(SessionState& session, Actions& actions) {
  const uint64_t size = session.chunk_decoder.remaining_bytes();
  open_content(session);
  session.chunk_decoder = ChunkDecoder(session.envelope.body == BodyType::binary_mime);
  session.chunk_decoder.begin_chunk(size);
  begin_chunk(session, actions);
}

}  // namespace mailroot::smtp
