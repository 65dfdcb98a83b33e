// What both body decoders share: content passes as views, every line end is CRLF when it comes out.
#pragma once

#include <vector>

#include "mailroot/base/bytes.h"

namespace mailroot::smtp {

using Pieces = std::vector<ByteView>;

// A CR at the end of the input is held back until its successor is known, because what may not be
// passed on cannot be taken back. A bare LF comes out as CRLF, a bare CR as a space ("CR CR LF",
// the habit of some Windows programs, must not become an empty line, which would end the header).
// Neither starts a line for the protocol: only CRLF does (RFC 5321 2.3.8).
class LineFilter {
 public:
  //                          +----- CR ----> after_cr --+-- LF --> line_start
  //  line_start --any--> in_line                        +-- any -> in_line, bare
  enum class Place : uint8_t {
    line_start,  // before the first byte, or after CRLF
    in_line,     // after anything else
    after_cr,    // after a CR that has not been handed on
  };

  // Hands on input from index `from` into `pieces`; returns where it stopped: at the end, at a "."
  // at line start (`stop_at_dots`), or when the batch of pieces is full.
  size_t pass(ByteView input, size_t from, bool stop_at_dots, Pieces& pieces);
  // The content ends here: a held CR turns out bare.
  void finish(Pieces& pieces);

  Place place() const { return place_; }
  // The caller consumed a byte itself; where that leaves the text.
  void set_place(Place place) { place_ = place; }
  // A CR the caller held itself turned out bare.
  void bare_cr(Pieces& pieces);
  bool saw_bare() const { return saw_bare_; }

 private:
  Place place_ = Place::line_start;
  bool saw_bare_ = false;
};

bool batch_is_full(const Pieces& pieces);

}  // namespace mailroot::smtp
