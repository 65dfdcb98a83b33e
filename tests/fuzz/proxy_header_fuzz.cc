// A PROXY header: what is complete stays so whatever follows, and no prefix of it is invalid.
#include "fuzz.h"
#include "proxy_header.h"

using namespace mailroot;
using mailroot::receive::parse_proxy_header;
using mailroot::receive::ProxyHeader;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const ByteView bytes(reinterpret_cast<const std::byte*>(data), size);
  const ProxyHeader header = parse_proxy_header(bytes);
  if (header.state != ProxyHeader::State::complete) return 0;
  fuzz::check(header.size_bytes > 0 && header.size_bytes <= size, "it lies in what was given");
  const ProxyHeader alone = parse_proxy_header(bytes.first(header.size_bytes));
  fuzz::check(alone.state == ProxyHeader::State::complete, "it needs nothing behind it");
  fuzz::check(alone.client == header.client, "and says the same");
  const ProxyHeader cut = parse_proxy_header(bytes.first(header.size_bytes - 1));
  fuzz::check(cut.state == ProxyHeader::State::incomplete, "but all of it");
  return 0;
}
