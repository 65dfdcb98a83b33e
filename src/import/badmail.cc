#include "mailroot/import/badmail.h"

#include <fmt/format.h>

#include "mailroot/import/limits.h"
#include "text.h"

namespace mailroot::import {

namespace {

constexpr size_t kRunLeast = 6;  // shorter runs of printable octets are chance
constexpr size_t kLineMax = 998;

bool is_printable(char c) { return c >= 0x20 && c < 0x7F; }

void append_lines(std::string& out, std::string_view text) {
  text = text.substr(0, kReasonTextMax);
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    out += one_line(text.substr(0, end), kLineMax) + "\n";
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

// Runs of printable text, in octets or in UTF-16 (every second octet zero).
void append_runs(std::string& out, std::string_view bytes) {
  bytes = bytes.substr(0, kReasonTextMax);
  size_t runs = 0;
  std::string run;
  for (size_t i = 0; i <= bytes.size() && runs < kReasonRunsMax; ++i) {
    const bool printable = i < bytes.size() && is_printable(bytes[i]);
    if (printable && run.size() < kLineMax) {
      run += bytes[i];
      const bool wide = i + 2 < bytes.size() && bytes[i + 1] == '\0' && is_printable(bytes[i + 2]);
      if (wide) ++i;
      continue;
    }
    if (run.size() >= kRunLeast) {
      out += "  " + run + "\n";
      ++runs;
    }
    run.clear();
  }
}

}  // namespace

std::string badmail_reason(const BadmailTriple& triple) {
  std::string out = fmt::format("{} was in the Badmail directory of an IIS SMTP server.\n",
                                one_line(triple.name, kShownMax));
  if (triple.has_bdr) {
    out += "\nWhat IIS wrote beside it (BDR):\n";
    append_lines(out, triple.bdr);
  }
  if (triple.has_bdp) {
    out += "\nReadable text of its properties (BDP):\n";
    append_runs(out, triple.bdp);
  }
  if (!triple.has_bdr && !triple.has_bdp)
    out += "\nIts BDR and BDP files, which say why, are gone.\n";
  return out;
}

}  // namespace mailroot::import
