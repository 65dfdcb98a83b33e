// Any octets as a metabase: a refusal of one line, or files that the configuration takes and a
// report of plain lines.
#include "fuzz.h"
#include "mailroot/import/convert.h"
#include "record.h"
#include "server_checks.h"

using namespace mailroot;
using mailroot::fuzz::check;

namespace {

void check_line(std::string_view text) {
  check(text.find_first_of("\n\r\x1b") == std::string_view::npos, "a remark is one plain line");
}

void check_yaml(const import::ImportedServer& server) {
  config::ProblemList problems;
  config::Context context("/fuzz/" + server.id + ".yaml", problems);
  config::VirtualServer loaded;
  loaded.id = server.id;
  check(config::read_document(server.yaml, config::server_keys(), context, loaded),
        "an imported file is YAML");
  if (loaded.default_domain.empty()) loaded.default_domain = "machine.example";
  std::vector<std::string> warnings;
  config::check_server(loaded, context, warnings);
  for (const auto& problem : problems.take()) {
    std::fprintf(stderr, "%s\n%s", problem.to_string().c_str(), server.yaml.c_str());
    check(false, "an imported file is right");
  }
  check(!server.held || !loaded.autostart, "a held virtual server does not start");
}

void check_conversion(const import::Metabase& metabase) {
  import::ConvertOptions options;
  options.source = "fuzz.xml";
  options.maps.push_back({"C:\\Inetpub", "/srv"});
  const auto imported = import::convert(metabase, options);
  for (const auto& server : imported.servers) {
    check(server.yaml.empty() == !server.problem.empty(), "no file has its reason");
    if (server.problem.empty()) check_yaml(server);
    for (const auto& remark : server.remarks) {
      for (const auto& text : {remark.subject, remark.property, remark.value, remark.key}) {
        check_line(text);
      }
      check_line(remark.text);
    }
  }
  (void)import::report_text(imported);
  for (const auto& document : import::report_json(imported)) check_line(document);
}

// Past the XML: "Name=value" lines are properties of a virtual server; "/name" begins a domain.
import::Metabase from_lines(std::string_view text) {
  import::Metabase out;
  import::Instance& instance = out.instances.emplace_back();
  instance.number = 1;
  import::Key* key = &instance.key;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const size_t equals = std::min(line.find('='), line.size());
    if (line.starts_with('/')) {
      key = &instance.domains.emplace_back();
      key->name = line.substr(1);
    } else if (equals < line.size()) {
      key->properties.push_back({line.substr(0, equals), line.substr(equals + 1), 0, false});
    }
  }
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text = fuzz::as_text(data, size);
  check_conversion(from_lines(text));
  const auto metabase = import::parse_metabase(std::string(text));
  if (metabase) {
    check_conversion(*metabase);
  } else {
    check(!metabase.error().empty(), "a refusal says why");
    check_line(metabase.error());
  }
  return 0;
}
