// A file anybody may have written: its ranges lie inside it in order, a shorter prefix never gives
// another envelope, and what comes out can be sent.
#include "mailroot/message/pickup.h"

#include "fuzz.h"
#include "mailroot/smtp/content.h"
#include "mailroot/smtp/grammar.h"

using namespace mailroot;
using namespace mailroot::message;
using mailroot::fuzz::check;

namespace {

std::string convert(std::string_view content, bool stuffed, size_t step) {
  PickupContent pickup(stuffed);
  std::vector<ByteView> out;
  for (size_t at = 0; at < content.size(); at += step)
    pickup.add(as_bytes(content.substr(at, step)), out);
  pickup.finish(out);
  std::string result;
  for (const ByteView view : out) result += as_text(view);
  check(result.size() == pickup.size_bytes(), "counts its bytes");
  return result;
}

void check_content(std::string_view content, bool stuffed, size_t step) {
  const std::string whole = convert(content, stuffed, content.size() + 1);
  check(whole == convert(content, stuffed, step), "pieces do not matter");
  smtp::ContentScan scan;
  scan.add(as_bytes(whole));
  check(!scan.traits().bare_line_end, "every line ends in CRLF");
  check(whole.empty() || whole.ends_with("\r\n"), "the last one too");
  check(convert(whole, false, step) == whole, "what is right stays as it is");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Steering steering(fuzz::as_text(data, size));
  const uint8_t choice = steering.octet();
  const std::string_view text = steering.rest();
  check_content(text, (choice & 1) != 0, 1 + choice % 32);

  const auto file = parse_pickup(as_bytes(text), text.size(), "default.example");
  const size_t cut = text.size() * choice / 256;
  const auto prefix = parse_pickup(as_bytes(text.substr(0, cut)), text.size(), "default.example");
  if (!file) {
    check(!file.error().detail.empty(), "an error has its sentence");
    check(smtp::is_printable_ascii(file.error().detail), "a printable one");
    check(file.error().error != PickupError::incomplete, "a whole file is never incomplete");
    check(!prefix, "what is refused whole is refused in part");
    return 0;
  }
  check(!file->envelope.recipients.empty(), "somebody is to get it");
  uint64_t end = 0;
  for (const ByteRange& range : file->content) {
    check(range.offset >= end && range.size <= text.size() - range.offset, "ranges in order");
    end = range.offset + range.size;
  }
  if (prefix) {
    check(prefix->envelope == file->envelope, "a prefix gives the same envelope");
    check(prefix->content == file->content, "and the same content");
  }
  return 0;
}
