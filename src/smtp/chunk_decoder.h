// The content of BDAT (RFC 3030): counted chunks, no transparency, no end mark.
#pragma once

#include <cstdint>

#include "line_filter.h"

namespace mailroot::smtp {

// One per transaction; a line end may straddle two chunks. Without BODY=BINARYMIME the content is
// text, so bare CR and LF are found here as in DATA: passed on, they would leave us in a DATA.
class ChunkDecoder {
 public:
  explicit ChunkDecoder(bool binary) : binary_(binary) {}

  void begin_chunk(uint64_t size_bytes) { remaining_bytes_ = size_bytes; }
  // Consumes at most the rest of the chunk; returns the bytes consumed.
  size_t decode(ByteView input, Pieces& pieces);
  // After the LAST chunk.
  void finish(Pieces& pieces) { filter_.finish(pieces); }

  uint64_t remaining_bytes() const { return remaining_bytes_; }
  bool saw_bare() const { return filter_.saw_bare(); }

 private:
  uint64_t remaining_bytes_ = 0;
  bool binary_;
  LineFilter filter_;
};

}  // namespace mailroot::smtp
