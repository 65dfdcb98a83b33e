// Content on its way out: what DotStuffer lets through is taken apart again by a strict receiver,
// has no bare CR or LF, and no end of data before its end; ContentScan agrees with it.
#include <string>

#include "fuzz.h"
#include "mailroot/smtp/content.h"

using namespace mailroot;
using namespace mailroot::smtp;
using mailroot::fuzz::check;

namespace {

bool stuff(std::string_view content, size_t step, std::string& wire) {
  DotStuffer stuffer;
  std::vector<ByteView> out;
  bool good = true;
  for (size_t at = 0; at < content.size() && good; at += step)
    good = stuffer.add(as_bytes(content.substr(at, step)), out);
  good = good && stuffer.finish(out);
  for (const ByteView view : out) wire += as_text(view);
  if (good) check(wire.size() == stuffer.wire_bytes(), "counts its bytes");
  return good;
}

ContentTraits scan(std::string_view content, size_t step) {
  ContentScan scan;
  for (size_t at = 0; at < content.size(); at += step) scan.add(as_bytes(content.substr(at, step)));
  return scan.traits();
}

// A receiver by RFC 5321: lines end in CRLF, a lone dot ends, a first dot is taken away.
std::string receive(std::string_view wire) {
  std::string content;
  for (;;) {
    const size_t end = wire.find("\r\n");
    check(end != std::string_view::npos, "an end of data is there");
    std::string_view line = wire.substr(0, end);
    check(line.find_first_of("\r\n") == std::string_view::npos, "no bare CR or LF");
    wire.remove_prefix(end + 2);
    if (line == ".") {
      check(wire.empty(), "the end of data is the end");
      return content;
    }
    if (line.starts_with('.')) line.remove_prefix(1);
    content += line;
    content += "\r\n";
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Steering steering(fuzz::as_text(data, size));
  const size_t step = 1 + steering.octet() % 64;
  const std::string_view content = steering.rest();
  const ContentTraits traits = scan(content, content.size() + 1);
  check(traits == scan(content, step), "pieces do not matter to the scan");

  std::string wire;
  std::string wire_in_pieces;
  const bool good = stuff(content, content.size() + 1, wire);
  check(good == stuff(content, step, wire_in_pieces), "nor to what is refused");
  check(good == !traits.bare_line_end, "refused is what the scan calls bare");
  if (!good) return 0;
  check(wire == wire_in_pieces, "nor to the wire");
  std::string expected(content);
  if (!expected.empty() && !expected.ends_with("\r\n")) expected += "\r\n";
  check(receive(wire) == expected, "byte for byte");
  return 0;
}
