// The report for people: per virtual server what is to be decided, what differs, what is not
// carried, what is the same.
#include <fmt/format.h>

#include "mailroot/import/convert.h"

namespace mailroot::import {

namespace {

struct Section {
  Verdict verdict;
  std::string_view title;
};
constexpr Section kSections[] = {{Verdict::decide, "TO DECIDE"},
                                 {Verdict::different, "different"},
                                 {Verdict::not_carried, "not carried"},
                                 {Verdict::same, "the same"}};

std::string_view to_words(Origin origin) {
  switch (origin) {
    case Origin::own:
      return "";
    case Origin::inherited:
      return " (of /LM/SmtpSvc)";
    case Origin::schema:
      return " (absent: default)";
    case Origin::setup:
      return " (absent: as setup writes it)";
  }
  return "";
}

// "domain example.com: RouteAction=4096 -> domains: {...}: sentence"
std::string line_of(const Remark& remark) {
  std::string out;
  const auto add = [&out](std::string_view separator, std::string_view text) {
    if (text.empty()) return;
    if (!out.empty()) out += separator;
    out += text;
  };
  add("", remark.subject);
  if (!remark.property.empty()) {
    add(": ", fmt::format("{}={}{}", remark.property, remark.value, to_words(remark.origin)));
  }
  add(" -> ", remark.key);
  add(": ", remark.text);
  return out;
}

void append_remarks(std::string& out, const std::vector<Remark>& remarks) {
  for (const Section& section : kSections) {
    std::string lines;
    size_t count = 0;
    for (const Remark& remark : remarks) {
      if (remark.verdict != section.verdict) continue;
      ++count;
      lines += section.verdict == Verdict::decide ? "    ! " : "    ";
      lines += line_of(remark) + "\n";
    }
    if (count > 0) out += fmt::format("  {} ({})\n{}", section.title, count, lines);
  }
}

}  // namespace

std::string report_text(const Imported& imported) {
  std::string out;
  for (const ImportedServer& server : imported.servers) {
    out += fmt::format("Virtual server {} \"{}\" -> {}.yaml, {} domains{}\n", server.number,
                       server.name, server.id, server.domains,
                       server.held ? "; held: autostart is off" : "");
    if (!server.problem.empty()) out += fmt::format("  NOT WRITTEN: {}\n", server.problem);
    append_remarks(out, server.remarks);
    out += "\n";
  }
  if (!imported.remarks.empty()) {
    out += "The service\n";
    append_remarks(out, imported.remarks);
  }
  return out;
}

}  // namespace mailroot::import
