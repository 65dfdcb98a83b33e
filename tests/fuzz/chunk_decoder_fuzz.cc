// The decoder of BDAT: the sum of the chunks, text without bare line ends, whatever the chunks are.
#include "chunk_decoder.h"

#include <algorithm>
#include <string>

#include "decoder_oracle.h"
#include "fuzz.h"

using namespace mailroot;
using namespace mailroot::smtp;
using mailroot::fuzz::check;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Steering steering(fuzz::as_text(data, size));
  const bool binary = (steering.octet() & 1) != 0;
  const size_t chunk_max = 1 + steering.octet() % 100;
  const size_t step = 1 + steering.octet() % 50;
  const std::string_view content = steering.rest();

  ChunkDecoder decoder(binary);
  std::string decoded;
  size_t done = 0;
  while (done < content.size()) {
    decoder.begin_chunk(std::min(chunk_max, content.size() - done));
    while (decoder.remaining_bytes() > 0) {
      // More than the chunk on offer: the decoder must stop at its end.
      const std::string part(content.substr(done, step));
      Pieces pieces;
      const uint64_t before = decoder.remaining_bytes();
      const size_t consumed = decoder.decode(as_bytes(part), pieces);
      check(consumed > 0 && consumed <= before, "goes on, and not beyond the chunk");
      check(before - decoder.remaining_bytes() == consumed, "counts what it consumes");
      for (const ByteView piece : pieces) decoded += as_text(piece);
      done += consumed;
    }
  }
  Pieces pieces;
  decoder.finish(pieces);
  for (const ByteView piece : pieces) decoded += as_text(piece);

  if (binary) {
    check(decoded == content && !decoder.saw_bare(), "binary passes");
  } else {
    const fuzz::PlainText plain = fuzz::normalise(content, true);
    check(decoded == plain.content && decoder.saw_bare() == plain.bare, "text is normalised");
  }
  return 0;
}
