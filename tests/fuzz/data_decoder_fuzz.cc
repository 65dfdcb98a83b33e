// The decoder of DATA: equal to the literal reading of RFC 5321 4.5.2, however the input is cut,
// and the DotStuffer undoes it.
#include "data_decoder.h"

#include <algorithm>
#include <string>

#include "decoder_oracle.h"
#include "fuzz.h"
#include "mailroot/smtp/content.h"

using namespace mailroot;
using namespace mailroot::smtp;
using mailroot::fuzz::check;

namespace {

struct Decoded {
  std::string content;
  size_t consumed = 0;
  bool ended = false;
  bool bare = false;
  friend bool operator==(const Decoded&, const Decoded&) = default;
};

Decoded decode(std::string_view wire, size_t step) {
  DataDecoder decoder;
  Decoded decoded;
  while (decoded.consumed < wire.size() && !decoder.ended()) {
    const std::string part(wire.substr(decoded.consumed, step));
    Pieces pieces;
    const size_t consumed = decoder.decode(as_bytes(part), pieces);
    check(consumed > 0 && consumed <= part.size(), "the decoder goes on");
    for (const ByteView piece : pieces) decoded.content += as_text(piece);
    decoded.consumed += consumed;
  }
  decoded.ended = decoder.ended();
  decoded.bare = decoder.saw_bare();
  return decoded;
}

// The wire up to the first CRLF.CRLF, without transparency dots, normalised.
Decoded decode_literally(std::string_view wire) {
  const std::string framed = "\r\n" + std::string(wire);
  const size_t end = framed.find("\r\n.\r\n");
  Decoded decoded;
  decoded.ended = end != framed.npos;
  decoded.consumed = decoded.ended ? end + 3 : wire.size();
  std::string text;
  for (size_t i = 2; i < (decoded.ended ? end + 2 : framed.size()); ++i) {
    const bool is_stuffing = framed[i] == '.' && framed[i - 1] == '\n' && framed[i - 2] == '\r';
    if (!is_stuffing) {
      text += framed[i];
    } else if (!decoded.ended && framed.substr(i) == ".\r") {
      break;  // may become the end
    }
  }
  // A CR before a transparency dot's place cannot pair with what the dot hid; none can: a dot is
  // only taken away after LF.
  const auto plain = fuzz::normalise(text, decoded.ended);
  decoded.content = plain.content;
  decoded.bare = plain.bare;
  return decoded;
}

void check_re_encoding(const std::string& content) {
  DotStuffer stuffer;
  std::vector<ByteView> views;
  check(stuffer.add(as_bytes(content), views) && stuffer.finish(views), "content can be sent");
  std::string wire;
  for (const ByteView view : views) wire += as_text(view);
  const Decoded again = decode(wire, wire.size());
  const bool complete = content.empty() || content.ends_with("\r\n");
  check(again.ended && !again.bare && again.consumed == wire.size(), "one end, at the end");
  check(again.content == (complete ? content : content + "\r\n"), "decoding undoes encoding");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Steering steering(fuzz::as_text(data, size));
  const size_t step = 1 + steering.octet() % 70;
  const std::string_view wire = steering.rest();
  const Decoded decoded = decode(wire, std::max<size_t>(wire.size(), 1));
  check(decoded == decode(wire, step), "the same however it is cut");
  check(decoded == decode_literally(wire), "the same as read literally");
  if (decoded.ended) check_re_encoding(decoded.content);
  return 0;
}
