#include "chunk_decoder.h"

#include <algorithm>

namespace mailroot::smtp {

size_t ChunkDecoder::decode(ByteView input, Pieces& pieces) {
  const size_t size = static_cast<size_t>(std::min<uint64_t>(input.size(), remaining_bytes_));
  size_t used = size;
  if (!binary_) {
    used = filter_.pass(input.first(size), 0, false, pieces);
  } else if (size > 0) {
    pieces.push_back(input.first(size));
  }
  remaining_bytes_ -= used;
  return used;
}

}  // namespace mailroot::smtp
