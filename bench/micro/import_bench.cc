// CPU seconds of an import of a large metabase by stage: text to keys, keys to YAML and remarks,
// remarks to text. The metabase is made up: virtual servers as IIS's setup and console write them,
// with relay lists, and domains of every kind.
//
//   import_bench [MB] [virtual servers] [file to leave the metabase in]
#include <fmt/format.h>
#include <time.h>

#include <cstdlib>
#include <fstream>
#include <string>

#include "mailroot/import/convert.h"

namespace {

using namespace mailroot;

// 127.0.0.1/32 and 10.20.0.0/16.
constexpr std::string_view kRelayList =
    "1800008020000080500000805800008001000000600000000000000000000000020000000200000002000000020000"
    "00"
    "0400000000000000600000800200000002000000040000000000000068000080000000000000000000000000000000"
    "00ffffffff7f000001ffff00000a140000";

// Of this process: other load on the machine does not count.
double seconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

std::string server(size_t number) {
  std::string out = fmt::format("<IIsSmtpServer\tLocation =\"/LM/SmtpSvc/{}\"\r\n", number);
  const auto add = [&out](std::string_view name, std::string_view value) {
    out += fmt::format("\t\t{}=\"{}\"\r\n", name, value);
  };
  const std::string home = fmt::format("D:\\Mailroot\\vsi {}", number);
  add("AuthFlags", "AuthAnonymous");
  add("BadMailDirectory", home + "\\Badmail");
  add("ConnectionTimeout", "600");
  add("DefaultDomain", fmt::format("server{}.example.com", number));
  add("DropDirectory", home + "\\Drop");
  add("FullyQualifiedDomainName", fmt::format("mx.server{}.example.com", number));
  for (const char* const name :
       {"HopCount", "MaxBatchedMessages", "MaxConnections", "MaxOutConnections", "MaxRecipients",
        "SmtpRemoteDelayExpireMinutes", "SmtpRemoteNDRExpireMinutes", "RemoteSmtpPort"}) {
    add(name, std::to_string(25 + number % 900));
  }
  add("MaxMessageSize", "26214400");
  add("MaxSessionSize", "104857600");
  add("PickupDirectory", home + "\\Pickup");
  add("QueueDirectory", home + "\\Queue");
  add("RelayIpList", kRelayList);
  add("ServerBindings", fmt::format("10.{}.{}.1:25:\r\n\t\t\t10.{}.{}.1:2525:", number / 250,
                                    number % 250, number / 250, number % 250));
  add("ServerComment", fmt::format("Virtual server {}", number));
  add("SmartHost", "[192.0.2.25]");
  add("SmartHostType", "2");
  add("SmtpRemoteProgressiveRetry", "15,30,60,240");
  return out + "\t>\r\n</IIsSmtpServer>\r\n";
}

std::string domain(size_t server, size_t number) {
  const bool wildcard = number % 5 == 0;
  const bool alias = number % 3 == 1;
  std::string out =
      fmt::format("<IIsSmtpDomain\tLocation =\"/LM/SmtpSvc/{}/Domain/{}d{}.partner.example\"\r\n",
                  server, wildcard && !alias ? "*." : "", number);
  if (alias) {
    out += "\t\tRouteAction=\"16\"\r\n";
  } else if (number % 3 == 0) {
    out += "\t\tRouteAction=\"4096\"\r\n";
  } else {
    out += "\t\tRouteAction=\"4098\"\r\n\t\tRouteActionString=\"[198.51.100.25]\"\r\n";
  }
  return out + "\t>\r\n</IIsSmtpDomain>\r\n";
}

std::string metabase(size_t bytes, size_t servers) {
  std::string out =
      "<?xml version =\"1.0\"?>\r\n<configuration "
      "xmlns=\"urn:microsoft-catalog:XML_Metabase_V64_0\">\r\n<MBProperty>\r\n"
      "<IIsSmtpService\tLocation =\"/LM/SmtpSvc\"\r\n\t\tRouteAction=\"0\"\r\n\t>\r\n"
      "</IIsSmtpService>\r\n";
  out.reserve(bytes + 100'000);
  for (size_t number = 1; number <= servers; ++number) {
    out += server(number);
    for (size_t i = 0; out.size() < bytes / servers * number; ++i) out += domain(number, i);
  }
  return out + "</MBProperty>\r\n</configuration>\r\n";
}

}  // namespace

int main(int argc, char** argv) {
  const size_t megabytes = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 50;
  const size_t servers = argc > 2 ? std::strtoul(argv[2], nullptr, 10) : 1000;
  const std::string text = metabase(megabytes * 1'000'000, servers);
  if (argc > 3) std::ofstream(argv[3], std::ios::binary) << text;
  const double began = seconds();
  const auto parsed = import::parse_metabase(text);
  if (!parsed) {
    fmt::print(stderr, "the metabase {}\n", parsed.error());
    return 1;
  }
  const double keys = seconds();
  import::ConvertOptions options;
  options.source = "MetaBase.xml";
  const auto imported = import::convert(*parsed, options);
  const double converted = seconds();
  const std::string report = import::report_text(imported);
  const double reported = seconds();
  size_t domains = 0;
  size_t yaml_bytes = 0;
  for (const auto& one : imported.servers) {
    domains += one.domains;
    yaml_bytes += one.yaml.size();
    if (!one.problem.empty()) fmt::print("virtual server {}: {}\n", one.number, one.problem);
  }
  fmt::print("{:.1f} MB, {} virtual servers, {} domains: {:.1f} MB of YAML, {:.1f} MB of report\n",
             static_cast<double>(text.size()) * 1e-6, imported.servers.size(), domains,
             static_cast<double>(yaml_bytes) * 1e-6, static_cast<double>(report.size()) * 1e-6);
  fmt::print("parse {:.2f} s, convert {:.2f} s, report {:.2f} s, together {:.2f} s\n", keys - began,
             converted - keys, reported - converted, reported - began);
  return 0;
}
