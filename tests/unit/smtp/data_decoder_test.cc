// The decoders of DATA and BDAT against a second, simple-minded implementation, and the end-of-data
// look-alikes of SMTP smuggling (VU#302671, CVE-2023-51764 and its kin).
#include "data_decoder.h"

#include <doctest/doctest.h>

#include <string>

#include "chunk_decoder.h"
#include "mailroot/smtp/limits.h"
#include "text_scan.h"

using namespace mailroot;
using namespace mailroot::smtp;

namespace {

struct Decoded {
  std::string content;
  std::string rest;  // behind the end of data
  bool ended = false;
  bool bare = false;
};

// Feeds `input` in pieces of `step` octets.
Decoded decode(std::string_view input, size_t step) {
  DataDecoder decoder;
  Decoded decoded;
  while (!input.empty() && !decoder.ended()) {
    const std::string part(input.substr(0, step));
    Pieces pieces;
    const size_t consumed = decoder.decode(as_bytes(part), pieces);
    for (const ByteView piece : pieces) decoded.content += as_text(piece);
    input.remove_prefix(consumed);
  }
  decoded.rest = input;
  decoded.ended = decoder.ended();
  decoded.bare = decoder.saw_bare();
  return decoded;
}

std::string decode_chunks(std::string_view content, bool binary, size_t chunk_size, bool& bare) {
  ChunkDecoder decoder(binary);
  std::string decoded;
  const auto take = [&decoded](const Pieces& pieces) {
    for (const ByteView piece : pieces) decoded += as_text(piece);
  };
  while (!content.empty()) {
    const size_t size = std::min(chunk_size, content.size());
    decoder.begin_chunk(size);
    while (decoder.remaining_bytes() > 0) {
      Pieces pieces;
      const size_t consumed = decoder.decode(as_bytes(content), pieces);
      CHECK(consumed <= size);
      take(pieces);
      content.remove_prefix(consumed);
    }
  }
  Pieces pieces;
  decoder.finish(pieces);
  take(pieces);
  bare = decoder.saw_bare();
  return decoded;
}

// RFC 5321 4.5.2 read literally, for content of whole CRLF lines.
std::string stuff(std::string_view content) {
  std::string wire;
  bool line_start = true;
  for (char c : content) {
    if (line_start && c == '.') wire += '.';
    wire += c;
    line_start = c == '\n';
  }
  return wire + ".\r\n";
}

constexpr std::string_view kEvil = "MAIL FROM:<evil@b>\r\n";

}  // namespace

TEST_CASE("stuffed content comes out as it was, however it is cut") {
  const std::string line(200, 'x');
  for (const std::string& content :
       {std::string(), std::string(".\r\n"), std::string("..\r\n.\r\n\r\n.x\r\n"),
        line + "\r\n." + line + "\r\n", std::string(63, 'a') + "\r\n.\r\n",
        std::string(62, 'a') + "\r\n.b\r\n", std::string(64, 'a') + "\r\n..\r\n",
        std::string(15, 'a') + "\r\n.c\r\n"}) {
    const std::string wire = stuff(content);
    for (size_t step = 1; step <= wire.size(); ++step) {
      const Decoded decoded = decode(wire + "QUIT\r\n", step);
      CHECK(decoded.content == content);
      CHECK(decoded.ended);
      CHECK_FALSE(decoded.bare);
      CHECK(decoded.rest == "QUIT\r\n");
    }
  }
}

TEST_CASE("only CRLF.CRLF ends the data; every look-alike is content, and bare") {
  const std::string_view before[] = {"\r\n",   "\n",     "\r",   "\n\r",
                                     "\r\r\n", "\r\n\r", "\n\n", "\r\r"};
  const std::string_view after[] = {"\r\n", "\n", "\r", "\n\r", "\r\r\n", "\r\n\n", "\n\n", "\r\r"};
  size_t variants = 0;
  for (const std::string_view first : before) {
    for (const std::string_view last : after) {
      const bool honest = first.ends_with("\r\n") && last.starts_with("\r\n");
      const bool broken = first != "\r\n" || last != "\r\n";
      if (honest && !broken) continue;
      ++variants;
      const std::string text = "text" + std::string(first) + "." + std::string(last);
      const std::string wire = text + std::string(kEvil) + "\r\n.\r\n";
      for (size_t step = 1; step <= wire.size(); ++step) {
        const Decoded decoded = decode(wire, step);
        CAPTURE(text);
        CHECK(decoded.ended);
        if (honest) {  // a real end, with something broken around it
          CHECK(decoded.rest.size() < kEvil.size() + 8);
          continue;
        }
        CHECK(decoded.bare);
        CHECK(decoded.rest.empty());
        CHECK(decoded.content.find(kEvil) != std::string::npos);
      }
    }
  }
  CHECK(variants >= 29);
}

TEST_CASE("look-alikes with NUL and blanks are plain content") {
  for (const std::string& text :
       {std::string("\r\n.\0\r\n", 6), std::string("\r\n\0.\r\n", 6), std::string("\r\n. \r\n"),
        std::string("\r\n .\r\n"), std::string("\r\n.\t\r\n"), std::string("\r\n\xff.\r\n")}) {
    const Decoded decoded = decode("a" + text + std::string(kEvil) + ".\r\n", 7);
    CHECK(decoded.ended);
    CHECK_FALSE(decoded.bare);
    CHECK(decoded.rest.empty());
    CHECK(decoded.content.find(kEvil) != std::string::npos);
  }
}

TEST_CASE("what comes out has no bare line end, whatever went in") {
  // All texts of eight octets over the five that matter.
  constexpr char kAlphabet[] = {'\r', '\n', '.', 'a', '\0'};
  for (unsigned number = 0; number < 390625; ++number) {
    std::string text;
    for (unsigned rest = number, i = 0; i < 8; ++i, rest /= 5) text += kAlphabet[rest % 5];
    const Decoded decoded = decode(text, 3);
    char last = 'x';
    bool good = true;
    for (char c : decoded.content) {
      good &= (c == '\n') == (last == '\r');
      last = c;
    }
    // The decoder may hold back a CR, never hand it on alone.
    if (!good || last == '\r') FAIL("bare line end came out of text number ", number);
  }
}

TEST_CASE("a batch of pieces is bounded") {
  std::string wire;
  for (int i = 0; i < 10'000; ++i) wire += "..\r\n";
  DataDecoder decoder;
  Pieces pieces;
  const size_t consumed = decoder.decode(as_bytes(wire), pieces);
  CHECK(pieces.size() <= kContentPiecesMax);
  CHECK(consumed < wire.size());
  CHECK(decoder.decode(as_bytes(wire), pieces) == 0);
}

TEST_CASE("the scan finds the first event at every offset") {
  for (size_t length = 1; length < 200; ++length) {
    for (size_t at = 0; at < length; ++at) {
      std::string text(length, 'x');
      text[at] = '\n';
      if (find_event(as_bytes(text), {}, true) != at) FAIL("LF missed at ", at, " of ", length);
      text[at] = '.';
      if (at > 1) text[at - 1] = '\n';
      if (at > 1) text[at - 2] = '\r';
      const bool line_start = at != 1;
      const size_t found = find_event(as_bytes(text), {false, at == 0}, true);
      if (found != (line_start ? at : length)) FAIL("dot missed at ", at, " of ", length);
      if (find_event(as_bytes(text), {false, at == 0}, false) != length) FAIL("dot not ignored");
      if (at + 1 == length) continue;
      text[at] = '\r';
      if (find_event(as_bytes(text), {}, true) != at + 1) FAIL("CR missed at ", at, " of ", length);
    }
  }
  CHECK(find_event(as_bytes("\nx"), {true, false}, true) == 2);
  CHECK(find_event(as_bytes("x"), {true, false}, true) == 0);
}

TEST_CASE("chunks: text is checked over their borders, binary passes") {
  const std::string text = "a\r\n.\r\n\r\n.b\r\n";
  const std::string binary("\r\n\n\r\0\r", 6);
  for (size_t chunk = 1; chunk <= text.size(); ++chunk) {
    bool bare = true;
    CHECK(decode_chunks(text, false, chunk, bare) == text);
    CHECK_FALSE(bare);
    CHECK(decode_chunks(binary, true, chunk, bare) == binary);
    CHECK_FALSE(bare);
    CHECK(decode_chunks(binary, false, chunk, bare) == std::string("\r\n\r\n \0 ", 7));
    CHECK(bare);
    CHECK(decode_chunks("x\r", false, chunk, bare) == "x ");
    CHECK(bare);
  }
}
