// Replies of a server: the same whatever the segments are, bounded, printable, never a wrong code.
#include "mailroot/smtp/reply_parser.h"

#include <vector>

#include "fuzz.h"

using namespace mailroot;
using namespace mailroot::smtp;
using mailroot::fuzz::check;

namespace {

struct Parsed {
  std::vector<Reply> replies;
  std::string error;
  size_t consumed = 0;
};

Parsed parse(std::string_view input, size_t step) {
  Parsed parsed;
  ReplyParser parser;
  while (parsed.consumed < input.size() && parsed.error.empty()) {
    const std::string piece(input.substr(parsed.consumed, step));
    size_t used = 0;
    while (used < piece.size() && parsed.error.empty()) {
      ReplyStatus status = ReplyStatus::incomplete;
      used += parser.feed(as_bytes(std::string_view(piece).substr(used)), status);
      if (status == ReplyStatus::complete) parsed.replies.push_back(parser.reply());
      if (status == ReplyStatus::malformed) parsed.error = parser.error();
      check(status != ReplyStatus::incomplete || used == piece.size(), "takes all it can");
    }
    parsed.consumed += used;
  }
  return parsed;
}

void check_reply(const Reply& reply) {
  check(reply.code >= 200 && reply.code <= 599, "a code of SMTP");
  check(reply.text.size() <= kReplyTextKeptBytes, "bounded text");
  for (const char c : reply.text) {
    const auto byte = static_cast<unsigned char>(c);
    check(c == '\n' || (byte >= 0x20 && byte != 0x7F), "no control characters");
  }
  if (reply.enhanced.empty()) return;
  check(reply.enhanced.size() <= 9, "an enhanced code is short");
  check(reply.enhanced[0] - '0' == static_cast<int>(reply.first_digit()), "its class agrees");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Steering steering(fuzz::as_text(data, size));
  const size_t step = 1 + steering.octet() % 64;
  const Parsed whole = parse(steering.rest(), steering.rest().size() + 1);
  const Parsed pieces = parse(steering.rest(), step);
  check(whole.error == pieces.error, "segments do not matter to errors");
  check(whole.consumed == pieces.consumed, "nor to what is consumed");
  check(whole.replies.size() == pieces.replies.size(), "nor to the number of replies");
  for (size_t i = 0; i < whole.replies.size(); ++i) {
    check(whole.replies[i].text == pieces.replies[i].text, "nor to their text");
    check(whole.replies[i].code == pieces.replies[i].code, "nor to their code");
    check(whole.replies[i].enhanced == pieces.replies[i].enhanced, "nor to their enhanced code");
    check_reply(whole.replies[i]);
  }
  return 0;
}
