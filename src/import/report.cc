// The report for people: per virtual server what is to be decided, what differs, what is not
// carried, what is the same.
#include <fmt/format.h>

#include "mailroot/import/convert.h"

namespace mailroot::import {

namespace {

// Of one virtual server, in the text; nobody reads thousands of lines that say "the same".
constexpr size_t kSameDomainsShown = 50;

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

void append_section(std::string& out, const std::vector<Remark>& remarks, const Section& section) {
  std::string lines;
  size_t count = 0;
  size_t on_domains = 0;
  for (const Remark& remark : remarks) {
    if (remark.verdict != section.verdict) continue;
    ++count;
    const bool is_routine = section.verdict == Verdict::same && !remark.subject.empty();
    if (is_routine && ++on_domains > kSameDomainsShown) continue;
    lines += section.verdict == Verdict::decide ? "    ! " : "    ";
    lines += line_of(remark) + "\n";
  }
  if (count == 0) return;
  out += fmt::format("  {} ({})\n{}", section.title, count, lines);
  if (on_domains > kSameDomainsShown) {
    out += fmt::format("    and {} more on domains, all of them with --json\n",
                       on_domains - kSameDomainsShown);
  }
}

void append_remarks(std::string& out, const std::vector<Remark>& remarks) {
  for (const Section& section : kSections) append_section(out, remarks, section);
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
