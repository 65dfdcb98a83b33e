#include "mailroot/sasl/scram.h"

#include <doctest/doctest.h>

#include "mailroot/base/base64.h"

using namespace mailroot;
using namespace mailroot::sasl;

namespace {

// RFC 7677 3: user "user", password "pencil".
constexpr std::string_view kFirstBare = "n=user,r=rOprNGfwEbeRWgbNEkqO";
constexpr std::string_view kServerFirst =
    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
constexpr std::string_view kFinalWithoutProof =
    "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
constexpr std::string_view kProof = "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
constexpr std::string_view kSignature = "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

std::string salt() { return *decode_base64("W22ZaJ0SNY7soEsUEjb6gQ=="); }
std::string message() { return auth_message(kFirstBare, kServerFirst, kFinalWithoutProof); }

}  // namespace

TEST_CASE("the example of RFC 7677") {
  const Digest salted = salted_password("pencil", salt(), 4096);
  CHECK(encode_base64(sasl::as_text(client_proof(salted, message()))) == kProof);
  CHECK(encode_base64(sasl::as_text(server_signature(server_key_of(salted), message()))) ==
        kSignature);
  const ScramKeys keys = make_scram_keys("pencil", salt(), 4096);
  CHECK(proves(keys, message(), *decode_base64(kProof)));
}

TEST_CASE("a proof of something else proves nothing") {
  const ScramKeys keys = make_scram_keys("pencil", salt(), 4096);
  std::string proof = *decode_base64(kProof);
  CHECK_FALSE(proves(keys, message() + "x", proof));
  CHECK_FALSE(proves(keys, message(), ""));
  CHECK_FALSE(proves(keys, message(), proof + "x"));
  proof[31] ^= 1;
  CHECK_FALSE(proves(keys, message(), proof));
  CHECK_FALSE(proves(make_scram_keys("pencils", salt(), 4096), message(), *decode_base64(kProof)));
}

TEST_CASE("keys are written and read") {
  const ScramKeys keys = make_scram_keys("pencil", salt(), 4096);
  const std::string text = to_string(keys);
  CHECK(text ==
        "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$"
        "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"
        "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=");
  const auto read = parse_scram_keys(text);
  REQUIRE(read.has_value());
  CHECK(to_string(*read) == text);
}

TEST_CASE("keys that are none") {
  const std::string good = to_string(make_scram_keys("pencil", salt(), 4096));
  REQUIRE(parse_scram_keys(good).has_value());
  for (const std::string_view bad :
       {"", "SCRAM-SHA-256$", "SCRAM-SHA-1$4096:AAAA$AAAA:AAAA", "SCRAM-SHA-256$4096",
        "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d:wfPL"}) {
    CHECK_FALSE(parse_scram_keys(bad).has_value());
  }
  const auto with = [&](std::string_view from, std::string_view to) {
    std::string text = good;
    text.replace(text.find(from), from.size(), to);
    return parse_scram_keys(text).has_value();
  };
  CHECK_FALSE(with("4096", "4095"));
  CHECK_FALSE(with("4096", "-1"));
  CHECK_FALSE(with("4096", "99999999999"));
  CHECK_FALSE(with("4096", "4096 "));
  CHECK_FALSE(with("W22ZaJ0SNY7soEsUEjb6gQ==", ""));
  CHECK_FALSE(with("WG5d", "!G5d"));
  CHECK_FALSE(parse_scram_keys(good + " ").has_value());
}

TEST_CASE("names") {
  CHECK(encode_name("a,b=c") == "a=2Cb=3Dc");
  CHECK(decode_name("a=2Cb=3Dc") == "a,b=c");
  CHECK_FALSE(decode_name("a=2c").has_value());
  CHECK_FALSE(decode_name("a=").has_value());
  CHECK(check_name("user@example.com"));
  CHECK(check_name("j\xc3\xb6rg"));
  CHECK_FALSE(check_name(""));
  CHECK_FALSE(check_name(std::string_view("a\0b", 3)));
  CHECK_FALSE(check_name("a\n"));
}

TEST_CASE("attributes") {
  std::string_view rest = "r=abc,s=,i=4096";
  CHECK_FALSE(take_attribute(rest, 's').has_value());
  CHECK(take_attribute(rest, 'r') == "abc");
  CHECK(take_attribute(rest, 's') == "");
  CHECK(take_attribute(rest, 'i') == "4096");
  CHECK(rest.empty());
  CHECK_FALSE(take_attribute(rest, 'i').has_value());
}
