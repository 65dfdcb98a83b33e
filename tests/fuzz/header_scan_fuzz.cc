// A header section: the same facts whatever the pieces are; a downgraded message is 7-bit, of short
// lines, and decodes to what it was.
#include "mailroot/message/header_scan.h"

#include "fuzz.h"
#include "mailroot/message/downgrade.h"
#include "mailroot/smtp/content.h"

using namespace mailroot;
using namespace mailroot::message;
using mailroot::fuzz::check;

namespace {

HeaderFacts scan(std::string_view content, size_t step) {
  HeaderScan scan;
  bool more = true;
  for (size_t at = 0; at < content.size() && more; at += step)
    more = scan.add(as_bytes(content.substr(at, step)));
  return scan.finish();
}

std::string downgrade(const HeaderFacts& facts, std::string_view content, size_t step) {
  Downgrade downgrade(facts);
  std::string out;
  for (size_t at = 0; at < content.size(); at += step)
    downgrade.add(as_bytes(content.substr(at, step)), out);
  downgrade.finish(out);
  return out;
}

int hexadecimal(char c) { return c <= '9' ? c - '0' : c - 'A' + 10; }

std::string decode(std::string_view text) {
  std::string decoded;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '=') {
      decoded += text[i];
    } else if (text.substr(i + 1, 2) == "\r\n") {
      i += 2;
    } else {
      check(i + 2 < text.size(), "no escape is cut");
      decoded += static_cast<char>(hexadecimal(text[i + 1]) * 16 + hexadecimal(text[i + 2]));
      i += 2;
    }
  }
  return decoded;
}

void check_downgrade(const HeaderFacts& facts, std::string_view content, size_t step) {
  const std::string whole = downgrade(facts, content, content.size() + 1);
  check(whole == downgrade(facts, content, step), "pieces do not matter");
  const size_t body = static_cast<size_t>(facts.size_bytes) + 2;
  const size_t grown = whole.find("\r\n\r\n");
  check(grown != std::string::npos, "the empty line stays");
  const std::string encoded = whole.substr(grown + 4);
  size_t line = 0;
  for (const char c : encoded) {
    check(static_cast<unsigned char>(c) < 0x7F, "7-bit");
    line = c == '\n' ? 0 : line + 1;
    check(line <= 77, "short lines");
  }
  check(decode(encoded) == content.substr(body), "decodes to what it was");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Steering steering(fuzz::as_text(data, size));
  const size_t step = 1 + steering.octet() % 64;
  const std::string_view content = steering.rest();
  const HeaderFacts facts = scan(content, content.size() + 1);
  const HeaderFacts pieces = scan(content, step);
  check(facts.complete == pieces.complete && facts.received == pieces.received &&
            facts.size_bytes == pieces.size_bytes && facts.has_date == pieces.has_date &&
            facts.has_from == pieces.has_from && facts.content_type == pieces.content_type &&
            facts.transfer_encoding == pieces.transfer_encoding &&
            facts.transfer_encoding_size == pieces.transfer_encoding_size,
        "pieces do not matter");
  check(facts.size_bytes <= content.size(), "the section is inside the content");
  check(facts.transfer_encoding_offset + facts.transfer_encoding_size <= content.size(),
        "so is the field");
  smtp::ContentScan traits;
  traits.add(as_bytes(content));
  if (is_downgradable(facts) && !traits.traits().is_binary()) check_downgrade(facts, content, step);
  return 0;
}
