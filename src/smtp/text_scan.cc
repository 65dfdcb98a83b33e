#include "text_scan.h"

#include <bit>
#include <cstdint>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

namespace mailroot::smtp {

namespace {

// Bit i of each mask stands for byte i of a block.
struct Masks {
  uint64_t cr = 0;
  uint64_t lf = 0;
  uint64_t dot = 0;
};

// Tests 64 or 16 bytes without a branch per line: shifting the CR mask by one puts each CR upon the
// byte that must be LF, so one XOR finds every broken pair of the block.
class Scanner {
 public:
  explicit Scanner(Before before, bool dots)
      : cr_(before.cr), lf_(before.crlf), dots_(dots ? ~uint64_t{0} : 0) {}

  uint64_t events(const Masks& m, unsigned width) {
    const uint64_t broken = m.lf ^ ((m.cr << 1) | cr_);
    const uint64_t stuffed = m.dot & ((m.lf << 1) | lf_) & dots_;
    cr_ = (m.cr >> (width - 1)) & 1;
    lf_ = (m.lf >> (width - 1)) & 1;
    const uint64_t all = broken | stuffed;
    return width == 64 ? all : all & ((uint64_t{1} << width) - 1);
  }

 private:
  uint64_t cr_;
  uint64_t lf_;
  uint64_t dots_;
};

Masks masks_of_byte(std::byte byte) {
  return {byte == std::byte{'\r'}, byte == std::byte{'\n'}, byte == std::byte{'.'}};
}

#ifdef __SSE2__
Masks masks_of_16(const std::byte* p) {
  const __m128i v = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  const auto mask = [v](char c) {
    return static_cast<uint64_t>(
        static_cast<uint32_t>(_mm_movemask_epi8(_mm_cmpeq_epi8(v, _mm_set1_epi8(c)))));
  };
  return {mask('\r'), mask('\n'), mask('.')};
}

Masks masks_of_64(const std::byte* p) {
  Masks all;
  for (unsigned part = 0; part < 4; ++part) {
    const Masks m = masks_of_16(p + part * 16);
    all.cr |= m.cr << (part * 16);
    all.lf |= m.lf << (part * 16);
    all.dot |= m.dot << (part * 16);
  }
  return all;
}
#endif

}  // namespace

size_t find_event(ByteView text, Before before, bool dots) {
  Scanner scanner(before, dots);
  const std::byte* p = text.data();
  size_t i = 0;
#ifdef __SSE2__
  for (; text.size() - i >= 64; i += 64) {
    const uint64_t events = scanner.events(masks_of_64(p + i), 64);
    if (events != 0) return i + static_cast<size_t>(std::countr_zero(events));
  }
  for (; text.size() - i >= 16; i += 16) {
    const uint64_t events = scanner.events(masks_of_16(p + i), 16);
    if (events != 0) return i + static_cast<size_t>(std::countr_zero(events));
  }
#endif
  for (; i < text.size(); ++i) {
    if (scanner.events(masks_of_byte(p[i]), 1) != 0) return i;
  }
  return i;
}

}  // namespace mailroot::smtp
