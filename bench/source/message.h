#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace mailroot::bench {

/// What follows the header section of one message. Both views live as long as the factory.
struct Body {
  std::string_view main;
  std::string_view tail;  // ends the last line
};

struct MessageShape {
  uint64_t size_bytes = 4096;
  uint32_t recipients = 1;
  uint32_t domains = 1;
  std::string run;
  std::string sender;
  std::string recipient;
};

/// Makes messages that can be told apart and checked at the other end: `Message-ID: <seq@run>`
/// and `X-Bench: seq=.. crc=.. body=.. sent=..` (CRC-32C and length of the body, CLOCK_MONOTONIC
/// nanoseconds). Bodies are slices of one shared pattern, so a 10 MiB message costs no copy; the
/// slice begins at a place that depends on the sequence number, so swapped bodies are noticed.
/// No line begins with a dot. Each thread has its own factory.
class MessageFactory {
 public:
  explicit MessageFactory(const MessageShape& shape);

  void append_sender(uint64_t sequence, std::string& out) const;
  void append_recipient(uint64_t sequence, uint32_t index, std::string& out) const;

  /// Appends the header section and its empty line; head and body together have the size asked
  /// for, or the least possible size when that is larger.
  Body compose(uint64_t sequence, uint64_t sent_ns, std::string& out);

 private:
  enum class Field : uint8_t { text, recipient, domain, sequence };
  struct Piece {
    Field field;
    std::string text;
  };
  using Template = std::vector<Piece>;
  static constexpr size_t kOffsets = 61;
  struct Checked {
    size_t length = 0;
    uint32_t crc = 0;
  };

  static Template parse(std::string_view text);
  void expand(const Template& pieces, uint64_t sequence, uint32_t index, std::string& out) const;
  Body body_of(uint64_t sequence, size_t length) const;
  uint32_t crc_of(uint64_t sequence, const Body& body);

  MessageShape shape_;
  Template sender_;
  Template recipient_;
  std::string pattern_;
  std::string date_line_;
  std::array<Checked, kOffsets> checked_{};
};

}  // namespace mailroot::bench
