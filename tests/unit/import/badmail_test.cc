#include "mailroot/import/badmail.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "mailroot/import/limits.h"

namespace mailroot::import {

TEST_CASE("the text of a BDR, and the readable runs of a BDP in octets and in UTF-16") {
  BadmailTriple triple;
  triple.name = "0af3";
  triple.bdr = "Unable to deliver this message.\r\nSpecific error code was 0xC00402C7.\r\n\x1b[2J";
  triple.bdp = std::string_view(
      "\x01\x02ok\x03"
      "550 5.1.1 no such user\x00\x01"
      "b\0o\0b\0@\0x\0.\0e\0x\0a\0m\0p\0l\0e\0\xFF",
      55);
  triple.has_bdr = triple.has_bdp = true;
  const std::string text = badmail_reason(triple);
  CHECK(text.contains("Specific error code was 0xC00402C7.\n"));
  CHECK(text.contains("  550 5.1.1 no such user\n"));
  CHECK(text.contains("  bob@x.example\n"));
  CHECK_FALSE(text.contains("  ok\n"));
  CHECK_FALSE(text.contains('\x1b'));
  CHECK_FALSE(text.contains('\r'));
}

TEST_CASE("a message alone says that its reason is gone; large files are cut") {
  BadmailTriple triple;
  triple.name = "x\ny";
  CHECK(badmail_reason(triple) ==
        "x y was in the Badmail directory of an IIS SMTP server.\n\n"
        "Its BDR and BDP files, which say why, are gone.\n");
  const std::string large(10 * kReasonTextMax, 'a');
  std::string runs;
  for (int i = 0; i < 2000; ++i) runs += "printable\1";
  triple.bdr = large;
  triple.bdp = runs;
  triple.has_bdr = triple.has_bdp = true;
  const std::string text = badmail_reason(triple);
  CHECK(text.size() < 2 * kReasonTextMax);
  CHECK(static_cast<size_t>(std::count(text.begin(), text.end(), '\n')) < kReasonRunsMax + 10);
}

}  // namespace mailroot::import
