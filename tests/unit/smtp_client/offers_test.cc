#include <doctest/doctest.h>

#include "mailroot/smtp/client_session.h"

namespace mailroot::smtp {

TEST_CASE("offers of a modern server") {
  const ServerOffers offers = parse_offers(
      "mx.example.org at your service\nSIZE 157286400\n8BITMIME\nSTARTTLS\nENHANCEDSTATUSCODES\n"
      "PIPELINING\nCHUNKING\nBINARYMIME\nSMTPUTF8\nDSN\nAUTH login PLAIN\n"
      "LIMITS RCPTMAX=50 MAILMAX=7 RCPTDOMAINMAX=1");
  CHECK(offers.esmtp);
  CHECK(offers.size);
  CHECK(offers.size_limit_bytes == 157286400);
  CHECK(offers.eight_bit_mime);
  CHECK(offers.start_tls);
  CHECK(offers.enhanced_status_codes);
  CHECK(offers.pipelining);
  CHECK(offers.chunking);
  CHECK(offers.binary_mime);
  CHECK(offers.smtputf8);
  CHECK(offers.dsn);
  CHECK(offers.authentication == "LOGIN PLAIN");
  CHECK(offers.recipients_max == 50);
  CHECK(offers.transactions_max == 7);
}

TEST_CASE("keywords in any case, the first line is no offer") {
  CHECK(parse_offers("PIPELINING").pipelining == false);
  CHECK(parse_offers("mx\n8bitmime\npipelining").eight_bit_mime);
  CHECK(parse_offers("mx\n8bitmime\npipelining").pipelining);
}

TEST_CASE("numbers that are none count as not told") {
  for (const char* text : {"mx\nSIZE", "mx\nSIZE ", "mx\nSIZE x", "mx\nSIZE -1", "mx\nSIZE 10x",
                           "mx\nSIZE 99999999999999999999"}) {
    CAPTURE(text);
    CHECK(parse_offers(text).size);
    CHECK(parse_offers(text).size_limit_bytes == 0);
  }
  CHECK(parse_offers("mx\nLIMITS RCPTMAX=").recipients_max == 0);
  CHECK(parse_offers("mx\nLIMITS RCPTMAX=4294967296").recipients_max == 0);
  CHECK(parse_offers("mx\nLIMITS RCPTMAX=-3 MAILMAX=2").transactions_max == 2);
}

TEST_CASE("look-alikes are no offers") {
  const ServerOffers offers = parse_offers("mx\nPIPELININGX\nX-CHUNKING\nXDSN\n\n  \nSIZE10\nAUTH");
  CHECK_FALSE(offers.pipelining);
  CHECK_FALSE(offers.chunking);
  CHECK_FALSE(offers.dsn);
  CHECK_FALSE(offers.size);
  CHECK(offers.authentication == "");
}

TEST_CASE("only so many lines are looked at") {
  std::string text = "mx";
  for (int i = 0; i < 500; ++i) text += "\nX-" + std::to_string(i);
  CHECK_FALSE(parse_offers(text + "\nDSN").dsn);
}

}  // namespace mailroot::smtp
