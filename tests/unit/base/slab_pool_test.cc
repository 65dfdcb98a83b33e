#include "mailroot/base/slab_pool.h"

#include <doctest/doctest.h>

#include <cstdint>
#include <string>

using namespace mailroot;

namespace {

std::string contents(const SlabChain& chain) {
  std::string out;
  for (const auto& piece : chain.pieces()) out += as_text(piece.view());
  return out;
}

}  // namespace

TEST_CASE("a chain keeps what is appended, in aligned slabs") {
  SlabPool pool({});
  SlabChain chain(pool);
  std::string expected;
  for (int i = 0; i < 5000; ++i) {
    const std::string part = std::to_string(i) + std::string(static_cast<size_t>(i % 37), 'x');
    REQUIRE(chain.append(as_bytes(part)));
    expected += part;
  }
  CHECK(contents(chain) == expected);
  CHECK(chain.size_bytes() == expected.size());
  CHECK(chain.pieces().front().capacity_bytes == kSmallSlabSize);
  for (const auto& piece : chain.pieces()) {
    CHECK(reinterpret_cast<uintptr_t>(piece.data) % kBlockSize == 0);
  }
}

TEST_CASE("a refused append changes nothing, and memory comes back") {
  SlabPool pool(
      {.budget_bytes = kSmallSlabSize + kLargeSlabSize, .high_mark_bytes = kLargeSlabSize});
  SlabChain chain(pool);
  REQUIRE(chain.append(as_bytes("begin")));
  CHECK_FALSE(pool.is_high());
  const std::string too_much(kSmallSlabSize + kLargeSlabSize, 'x');
  CHECK_FALSE(chain.append(as_bytes(too_much)));
  CHECK(contents(chain) == "begin");
  CHECK(pool.used_bytes() == kSmallSlabSize);
  REQUIRE(chain.append(as_bytes(too_much).subspan(0, kSmallSlabSize)));
  CHECK(pool.is_high());
  chain.clear();
  CHECK(pool.used_bytes() == 0);
}

TEST_CASE("padding reaches the block's end and is not content") {
  SlabPool pool({});
  SlabChain chain(pool);
  REQUIRE(chain.append(as_bytes("abc")));
  chain.pad_to_block();
  CHECK(chain.size_bytes() == 3);
  CHECK(chain.pieces().front().data[kBlockSize - 1] == std::byte{0});
}

TEST_CASE("a moved chain leaves its source empty") {
  SlabPool pool({});
  SlabChain first(pool);
  REQUIRE(first.append(as_bytes("mail")));
  SlabChain second = std::move(first);
  CHECK(contents(second) == "mail");
  second = SlabChain(pool);
  CHECK(pool.used_bytes() == 0);
}
