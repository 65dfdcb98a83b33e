#include "mailroot/base/base64.h"

#include <doctest/doctest.h>

using namespace mailroot;

namespace {

// RFC 4648 10.
const std::pair<std::string_view, std::string_view> kPairs[] = {
    {"", ""},
    {"f", "Zg=="},
    {"fo", "Zm8="},
    {"foo", "Zm9v"},
    {"foob", "Zm9vYg=="},
    {"fooba", "Zm9vYmE="},
    {"foobar", "Zm9vYmFy"},
};

}  // namespace

TEST_CASE("base64 as in RFC 4648 10") {
  for (const auto& [octets, text] : kPairs) {
    CHECK(encode_base64(octets) == text);
    CHECK(decode_base64(text) == octets);
  }
}

TEST_CASE("every octet comes back, at every length") {
  std::string octets;
  for (int i = 0; i < 600; ++i) {
    CHECK(decode_base64(encode_base64(octets)) == octets);
    CHECK(decode_base64_url(encode_base64_url(octets)) == octets);
    octets += static_cast<char>(i * 7);
  }
}

TEST_CASE("what is no base64 is refused") {
  for (const std::string_view text :
       {"Z", "Zg", "Zg=", "Zg===", "Z===", "====", "=", "Zg==Zg==", "Zm9v\r\n", " Zm9v", "Zm9v ",
        "Zm 9", "Zm-_", "Z=g=", "Zh==", "Zm9="}) {
    CAPTURE(text);
    CHECK(!decode_base64(text));
  }
  for (const std::string_view text : {"Z", "Zg==", "Zm+/", "Zh", "Zm9vZ"}) {
    CAPTURE(text);
    CHECK(!decode_base64_url(text));
  }
}

TEST_CASE("the alphabet for URLs has no padding and no slash") {
  CHECK(encode_base64_url("\xfb\xff\xfe") == "-__-");
  CHECK(decode_base64_url("-__-") == "\xfb\xff\xfe");
  CHECK(encode_base64("\xfb\xff\xfe") == "+//+");
}
