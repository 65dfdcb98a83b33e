#include "message.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <ctime>

#include "text.h"

namespace mailroot::bench {
namespace {

constexpr size_t kLine = 64;  // with its CRLF
constexpr size_t kSequenceDigits = 12;

void append_digits(std::string& out, uint64_t value, size_t width) {
  char digits[20];
  for (size_t i = width; i > 0; --i) {
    digits[i - 1] = static_cast<char>('0' + value % 10);
    value /= 10;
  }
  out.append(digits, width);
}

void append_hex(std::string& out, uint32_t value) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  for (int shift = 28; shift >= 0; shift -= 4) {
    out += kDigits[(value >> shift) & 15];
  }
}

std::string make_pattern(size_t size) {
  constexpr std::string_view kLetters =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 +";
  std::string pattern;
  pattern.reserve(size + kLine);
  uint64_t state = 0x9e3779b97f4a7c15U;
  while (pattern.size() < size) {
    for (size_t i = 0; i < kLine - 2; ++i) {
      state = state * 6364136223846793005U + 1442695040888963407U;
      pattern += kLetters[state >> 58];
    }
    pattern += "\r\n";
  }
  return pattern;
}

}  // namespace

MessageFactory::MessageFactory(const MessageShape& shape)
    : shape_(shape),
      sender_(parse(shape.sender)),
      recipient_(parse(shape.recipient)),
      pattern_(make_pattern(shape.size_bytes + kOffsets * kLine + kLine)),
      date_line_(fmt::format("Date: {:%a, %d %b %Y %H:%M:%S} +0000\r\n",
                             fmt::gmtime(std::time(nullptr)))) {}

MessageFactory::Template MessageFactory::parse(std::string_view text) {
  Template pieces;
  std::string plain;
  auto take = [&](std::string_view name, Field field) {
    if (!text.starts_with(name)) {
      return false;
    }
    pieces.push_back({Field::text, plain});
    plain.clear();
    pieces.push_back({field, {}});
    text.remove_prefix(name.size());
    return true;
  };
  while (!text.empty()) {
    if (!take("{n}", Field::recipient) && !take("{d}", Field::domain) &&
        !take("{seq}", Field::sequence)) {
      plain += text.front();
      text.remove_prefix(1);
    }
  }
  pieces.push_back({Field::text, plain});
  return pieces;
}

void MessageFactory::expand(const Template& pieces, uint64_t sequence, uint32_t index,
                            std::string& out) const {
  for (const Piece& piece : pieces) {
    switch (piece.field) {
      case Field::text:
        out += piece.text;
        break;
      case Field::recipient:
        fmt::format_to(std::back_inserter(out), "{}", index);
        break;
      case Field::domain:
        fmt::format_to(std::back_inserter(out), "{}",
                       (sequence * shape_.recipients + index) % shape_.domains);
        break;
      case Field::sequence:
        fmt::format_to(std::back_inserter(out), "{}", sequence);
        break;
    }
  }
}

void MessageFactory::append_sender(uint64_t sequence, std::string& out) const {
  expand(sender_, sequence, 0, out);
}

void MessageFactory::append_recipient(uint64_t sequence, uint32_t index, std::string& out) const {
  expand(recipient_, sequence, index, out);
}

Body MessageFactory::body_of(uint64_t sequence, size_t length) const {
  std::string_view pattern(pattern_);
  size_t offset = (sequence % kOffsets) * kLine;
  // A slice that stops between CR and LF would leave a bare CR before the tail.
  if ((length - 2) % kLine == kLine - 1) {
    return {pattern.substr(offset, length - 3), "x\r\n"};
  }
  return {pattern.substr(offset, length - 2), "\r\n"};
}

uint32_t MessageFactory::crc_of(uint64_t sequence, const Body& body) {
  size_t length = body.main.size() + body.tail.size();
  Checked& known = checked_[sequence % kOffsets];
  if (known.length != length) {
    known = {length, crc32c(crc32c(0, body.main), body.tail)};
  }
  return known.crc;
}

Body MessageFactory::compose(uint64_t sequence, uint64_t sent_ns, std::string& out) {
  constexpr std::string_view kPad = "X-Pad: ";
  constexpr size_t kBenchLine = 8 + 1 + 4 + kSequenceDigits + 5 + 8 + 6 + 10 + 6 + 20 + 2;
  size_t begin = out.size();
  out += date_line_;
  out += "From: <";
  append_sender(sequence, out);
  out += ">\r\nTo: <";
  append_recipient(sequence, 0, out);
  out += ">\r\nSubject: bench ";
  append_digits(out, sequence, kSequenceDigits);
  out += ' ';
  out += shape_.run;
  out += "\r\nMessage-ID: <";
  append_digits(out, sequence, kSequenceDigits);
  out += '@';
  out += shape_.run;
  out += ">\r\n";
  // The head is padded to whole lines, so that the length of the body, and with it its CRC,
  // seldom changes.
  size_t bare = out.size() - begin + kBenchLine + kPad.size() + 4;
  out += kPad;
  out.append(1 + (kLine - (bare + 1) % kLine) % kLine, '.');
  out += "\r\n";
  size_t head = out.size() - begin + kBenchLine + 2;
  size_t length = shape_.size_bytes > head + 3 ? shape_.size_bytes - head : 3;
  Body body = body_of(sequence, length);
  out += "X-Bench: seq=";
  append_digits(out, sequence, kSequenceDigits);
  out += " crc=";
  append_hex(out, crc_of(sequence, body));
  out += " body=";
  append_digits(out, length, 10);
  out += " sent=";
  append_digits(out, sent_ns, 20);
  out += "\r\n\r\n";
  return body;
}

}  // namespace mailroot::bench
