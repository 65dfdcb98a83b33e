#include <doctest/doctest.h>

#include <cstdint>
#include <string>

#include "address.h"
#include "measure.h"
#include "text.h"

namespace mailroot::bench {

TEST_CASE("addresses are numeric and have a port") {
  CHECK(to_text(*parse_address("127.0.0.1:25")) == "127.0.0.1:25");
  CHECK(to_text(*parse_address("localhost:2525")) == "127.0.0.1:2525");
  CHECK(to_text(*parse_address("[::1]:25")) == "[::1]:25");
  CHECK(to_text(*parse_address("[10.0.0.1]:25")) == "10.0.0.1:25");
  for (const char* bad : {"", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:2x",
                          "::1:25", "mail.example:25", "[]:25", "127.0.0:25", ":25"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_address(bad).has_value());
  }
}

TEST_CASE("only loopback is loopback") {
  CHECK(is_loopback(*parse_address("127.255.0.1:25")));
  CHECK(is_loopback(*parse_address("[::1]:25")));
  CHECK_FALSE(is_loopback(*parse_address("128.0.0.1:25")));
  CHECK_FALSE(is_loopback(*parse_address("[::2]:25")));
  CHECK_FALSE(is_loopback(*parse_address("0.0.0.0:25")));
}

TEST_CASE("sizes") {
  CHECK(parse_size("4096") == 4096);
  CHECK(parse_size("4K") == 4096);
  CHECK(parse_size("10m") == 10 * 1024 * 1024);
  CHECK(parse_size("0") == 0);
  for (const char* bad : {"", "K", "-1", "4 K", "4KB", "99999999999999999999", "9999999999G"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_size(bad).has_value());
  }
}

TEST_CASE("crc32c has the published check value and continues") {
  CHECK(crc32c(0, "123456789") == 0xe3069283U);
  CHECK(crc32c(crc32c(0, "1234"), "56789") == 0xe3069283U);
  CHECK(crc32c(0, "") == 0);
}

TEST_CASE("JSON strings survive anything") {
  CHECK(json_string("a\"b\\c\r\n\xff") == "\"a\\\"b\\\\c\\u000d\\u000a\\u00ff\"");
}

TEST_CASE("quantiles are within two percent") {
  Histogram histogram;
  CHECK(histogram.quantile(0.5) == 0);
  for (uint64_t value = 1; value <= 100'000; ++value) {
    histogram.add(value * 1000);
  }
  for (double fraction : {0.01, 0.5, 0.9, 0.99}) {
    double exact = fraction * 100'000 * 1000;
    CHECK(static_cast<double>(histogram.quantile(fraction)) ==
          doctest::Approx(exact).epsilon(0.02));
  }
  CHECK(histogram.quantile(1.0) <= histogram.max());
  CHECK(histogram.max() == 100'000'000);
  Histogram other;
  other.add(UINT64_MAX);
  histogram.merge(other);
  CHECK(histogram.count() == 100'001);
  CHECK(histogram.max() == UINT64_MAX);
}

}  // namespace mailroot::bench
