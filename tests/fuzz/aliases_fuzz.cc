// /etc/aliases and requests anybody may have written: read without harm, and nobody loses mail.
#include "mailroot/submit/aliases.h"

#include "fuzz.h"
#include "mailroot/submit/request.h"

using namespace mailroot;
using mailroot::fuzz::check;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text = fuzz::as_text(data, size);
  const submit::Aliases aliases = submit::parse_aliases(text);
  for (const auto& problem : aliases.problems)
    check(problem.line > 0 && problem.column > 0, "a problem has its place");
  std::vector<smtp::Recipient> recipients;
  for (const char* name : {"root", "postmaster", "a"})
    recipients.push_back({{name, "here.example"}, {}, {}});
  const auto out = submit::expand_aliases(aliases, recipients, {"here.example"}, "here.example");
  check(!out.recipients.empty(), "somebody gets it");
  if (const auto request = submit::parse_head(text))
    check(submit::parse_head(submit::encode_head(*request)).has_value(), "it can be said again");
  return 0;
}
