// The content of a message on its way out: what it needs of the next hop (ContentTraits), and the
// transparency procedure of DATA without copying (DotStuffer). Pure.
#pragma once

#include <cstdint>
#include <vector>

#include "mailroot/base/bytes.h"
#include "mailroot/smtp/envelope.h"

namespace mailroot::smtp {

// How the driver puts content on the wire.
enum class ContentForm : uint8_t {
  none,
  data,  // through DotStuffer, finish() included
  bdat,  // the bytes as they are; exactly Transaction::size_bytes of them
  // As data, after message::Downgrade has re-encoded the 8-bit body (RFC 6152 3): only if
  // ContentTraits::downgradable was set.
  data_downgraded,
};

// Facts about a whole content; all false is plain 7-bit text of CRLF lines.
struct ContentTraits {
  bool eight_bit_header = false;  // a byte above 0x7F in the header section
  bool eight_bit_body = false;    // ... after it
  bool bare_line_end = false;     // CR without LF or LF without CR: never sent by DATA
  bool nul = false;
  bool long_line = false;     // a line above 998 bytes
  bool downgradable = false;  // not found by ContentScan; see message::Downgrade

  // What has to be assumed of content nobody has scanned.
  static ContentTraits assume(BodyType body);
  // Can only be sent with BODY=BINARYMIME (RFC 3030).
  bool is_binary() const { return bare_line_end || nul; }
  friend bool operator==(const ContentTraits&, const ContentTraits&) = default;
};

// Finds the traits of content given in any number of pieces; about 0.4 ns a byte.
class ContentScan {
 public:
  void add(ByteView piece);
  ContentTraits traits() const;  // as if the content ended here

 private:
  size_t header_bytes(std::string_view text);
  void check_line_lengths(std::string_view text);

  ContentTraits traits_;
  size_t line_bytes_ = 0;
  bool in_header_ = true;
  bool line_is_empty_ = true;
  bool after_cr_ = false;
};

// Adds the dots of RFC 5321 4.5.2 between views of the content instead of into it. The views put
// into `out` refer to the pieces given (or to static storage) and go out by gather writes; a
// hostile content gives two views a line, so split them by IOV_MAX. Keeps its state over piece
// borders; one per transmission.
class DotStuffer {
 public:
  // False if the piece has a bare CR or LF (also one that turned out so at a piece border): such
  // content is never sent by DATA, because another server could see an end of data in it (SMTP
  // smuggling). Nothing of the piece may then be sent; close the connection.
  [[nodiscard]] bool add(ByteView piece, std::vector<ByteView>& out);
  // The end: CRLF if the content did not end in one, then ".CRLF". False as for add().
  [[nodiscard]] bool finish(std::vector<ByteView>& out);
  uint64_t wire_bytes() const { return wire_bytes_; }  // of everything put out

 private:
  void put(ByteView view, std::vector<ByteView>& out);

  bool line_start_ = true;
  bool after_cr_ = false;
  uint64_t wire_bytes_ = 0;
};

}  // namespace mailroot::smtp
