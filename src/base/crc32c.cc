#include "mailroot/base/crc32c.h"

#include <array>
#include <cstring>

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

namespace mailroot {

namespace {

constexpr std::array<uint32_t, 256> make_table() {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit) value = value & 1 ? value >> 1 ^ 0x82F63B78u : value >> 1;
    table[i] = value;
  }
  return table;
}

constexpr auto kTable = make_table();

uint32_t by_table(ByteView bytes, uint32_t crc) {
  for (const std::byte b : bytes) {
    crc = kTable[(crc ^ static_cast<uint32_t>(b)) & 0xFF] ^ crc >> 8;
  }
  return crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) uint32_t by_instruction(ByteView bytes, uint32_t crc) {
  uint64_t wide = crc;
  const std::byte* at = bytes.data();
  size_t left = bytes.size();
  for (; left >= 8; left -= 8, at += 8) {
    uint64_t word;
    std::memcpy(&word, at, 8);
    wide = _mm_crc32_u64(wide, word);
  }
  crc = static_cast<uint32_t>(wide);
  for (; left > 0; --left, ++at) crc = _mm_crc32_u8(crc, static_cast<uint8_t>(*at));
  return crc;
}

bool has_instruction() {
  static const bool found = __builtin_cpu_supports("sse4.2");
  return found;
}
#endif

}  // namespace

uint32_t crc32c(ByteView bytes, uint32_t seed) {
#if defined(__x86_64__)
  if (has_instruction()) return ~by_instruction(bytes, ~seed);
#endif
  return ~by_table(bytes, ~seed);
}

}  // namespace mailroot
