// Little-endian values and counted strings, read with bounds. Private to spool/.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "mailroot/base/bytes.h"

namespace mailroot::spool {

static_assert(std::endian::native == std::endian::little, "the journal is little-endian");

template <class Integer>
void store(std::byte* at, Integer value) {
  std::memcpy(at, &value, sizeof value);
}

// Reads from the front of a view; after the first failure ok() is false and every value is 0.
class ByteReader {
 public:
  explicit ByteReader(ByteView bytes) : bytes_(bytes) {}

  bool ok() const { return ok_; }
  bool at_end() const { return ok_ && bytes_.empty(); }
  size_t left() const { return bytes_.size(); }

  template <class Integer>
  Integer integer() {
    Integer value{};
    if (!take(sizeof value)) return value;
    std::memcpy(&value, bytes_.data(), sizeof value);
    bytes_ = bytes_.subspan(sizeof value);
    return value;
  }
  std::string string() {
    const auto size = integer<uint32_t>();
    if (!take(size)) return {};
    std::string value(as_text(bytes_.first(size)));
    bytes_ = bytes_.subspan(size);
    return value;
  }
  ByteView bytes(size_t size) {
    if (!take(size)) return {};
    const ByteView view = bytes_.first(size);
    bytes_ = bytes_.subspan(size);
    return view;
  }
  void reject() { ok_ = false; }

 private:
  bool take(size_t size) {
    if (!ok_ || bytes_.size() < size) ok_ = false;
    return ok_;
  }
  ByteView bytes_;
  bool ok_ = true;
};

}  // namespace mailroot::spool
