#include "made.h"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>

namespace mailroot::import {

namespace {

namespace fs = std::filesystem;

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '&') {
      out += "&amp;";
    } else if (c == '<') {
      out += "&lt;";
    } else if (c == '"') {
      out += "&quot;";
    } else {
      out += c;
    }
  }
  return out;
}

void put_little(std::string& out, uint32_t value) {
  for (int shift = 0; shift < 32; shift += 8) out += static_cast<char>(value >> shift & 0xFF);
}

void put_address(std::string& out, const std::string& text) {
  const auto address = IpAddress::parse(text);
  REQUIRE(address.has_value());
  for (int i = 0; i < 4; ++i) out += static_cast<char>(address->bytes()[static_cast<size_t>(i)]);
}

// Groups of one list; their data goes behind the header at `data_at`.
std::string list_of(const std::vector<Group>& groups, uint32_t data_at, std::string& data) {
  std::string out;
  uint32_t total = 0;
  for (const Group& group : groups) total += static_cast<uint32_t>(group.addresses.size());
  put_little(out, static_cast<uint32_t>(groups.size()));
  put_little(out, total);
  for (const Group& group : groups) {
    put_little(out, 2);
    put_little(out, static_cast<uint32_t>(group.addresses.size()) + 1);
    put_little(out, 4);
    put_little(out, 0);
    put_little(out, 0x80000000u | (data_at + static_cast<uint32_t>(data.size())));
    put_address(data, group.mask);
    for (const auto& address : group.addresses) put_address(data, address);
  }
  return out;
}

// A directory that is gone with the test.
class Directory {
 public:
  Directory() {
    std::string name = (fs::temp_directory_path() / "mailroot-import-XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~Directory() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  void write(const std::string& name, std::string_view text) const {
    std::ofstream stream(path_ / name, std::ios::binary);
    stream.write(text.data(), static_cast<std::streamsize>(text.size()));
    REQUIRE(stream.good());
  }
  std::string file(const std::string& name) const { return (path_ / name).string(); }

 private:
  fs::path path_;
};

}  // namespace

std::string element(std::string_view type, std::string_view location, const Attributes& attributes,
                    std::string_view children) {
  std::string out = fmt::format("<{}\tLocation =\"{}\"\r\n", type, escaped(location));
  for (const auto& [name, value] : attributes) {
    out += fmt::format("\t\t{}=\"{}\"\r\n", name, escaped(value));
  }
  return out + fmt::format("\t>\r\n{}</{}>\r\n", children, type);
}

std::string metabase(std::string_view elements) {
  return fmt::format(
      "<?xml version =\"1.0\"?>\r\n<configuration "
      "xmlns=\"urn:microsoft-catalog:XML_Metabase_V64_0\">"
      "\r\n<MBProperty>\r\n{}</MBProperty>\r\n</configuration>\r\n",
      elements);
}

std::string one_server(const Attributes& server, const Attributes& service, std::string_view more) {
  Attributes attributes = server;
  const auto give = [&attributes](const char* name, const char* value) {
    for (const auto& [known, text] : attributes) {
      if (known == name) return;
    }
    attributes.emplace_back(name, value);
  };
  give("ServerBindings", "192.0.2.1:25:");
  give("DefaultDomain", "corp.example");
  give("FullyQualifiedDomainName", "mx.corp.example");
  return metabase(element("IIsSmtpService", "/LM/SmtpSvc", service) +
                  element("IIsSmtpServer", "/LM/SmtpSvc/1", attributes) + std::string(more));
}

std::string domain(std::string_view name, const Attributes& attributes, int server) {
  return element("IIsSmtpDomain", fmt::format("/LM/SmtpSvc/{}/Domain/{}", server, name),
                 attributes);
}

std::string ip_list(const std::vector<Group>& deny, const std::vector<Group>& grant,
                    uint32_t deny_names, uint32_t grant_names) {
  const uint32_t deny_size = 8 + 20 * static_cast<uint32_t>(deny.size());
  const uint32_t grant_size = 8 + 20 * static_cast<uint32_t>(grant.size());
  const uint32_t header = 24 + deny_size + grant_size + 16;
  std::string data;
  const std::string denied = list_of(deny, header, data);
  const std::string granted = list_of(grant, header, data);
  std::string out;
  put_little(out, 0x80000000u | 24);
  put_little(out, 0x80000000u | (24 + deny_size));
  put_little(out, 0x80000000u | (24 + deny_size + grant_size));
  put_little(out, 0x80000000u | (24 + deny_size + grant_size + 8));
  put_little(out, 1);
  put_little(out, header);
  out += denied + granted;
  for (const uint32_t names : {deny_names, grant_names}) {
    put_little(out, names);
    put_little(out, 0);
  }
  std::string hex;
  for (const char c : out + data) hex += fmt::format("{:02x}", static_cast<unsigned char>(c));
  return hex;
}

std::string utf16(std::string_view ascii, bool big_endian, bool mark) {
  std::string out;
  if (mark) out += big_endian ? "\xFE\xFF" : "\xFF\xFE";
  for (const char c : ascii) {
    if (big_endian) out += '\0';
    out += c;
    if (!big_endian) out += '\0';
  }
  return out;
}

const config::VirtualServer& Loaded::only() const {
  REQUIRE(servers.size() == 1);
  return servers.begin()->second;
}

Loaded load(const Imported& imported) {
  const Directory directory;
  directory.write("service.conf", "service: { include: \"*.yaml\" }\n");
  for (const auto& server : imported.servers) {
    if (server.problem.empty()) directory.write(server.id + ".yaml", server.yaml);
  }
  const config::LoadOptions options{config::MachineFiles{"mx.test.example\n", "", ""}};
  Loaded out;
  out.check = config::check(directory.file("service.conf"), options).exit_code;
  const auto snapshot = config::load(directory.file("service.conf"), options);
  if (!snapshot) {
    for (const auto& problem : snapshot.error()) out.problems.push_back(problem.to_string());
    return out;
  }
  for (const auto& server : snapshot->servers) out.servers.emplace(server->id, *server);
  return out;
}

Imported import_text(std::string_view text, const ConvertOptions& options) {
  const auto parsed = parse_metabase(std::string(text));
  if (!parsed) FAIL(parsed.error());
  return convert(*parsed, options);
}

config::VirtualServer server_of(const Attributes& attributes, const Attributes& service,
                                std::string_view more, const ConvertOptions& options) {
  const Loaded loaded = load(import_text(one_server(attributes, service, more), options));
  for (const auto& problem : loaded.problems) FAIL_CHECK(problem);
  return loaded.only();
}

std::vector<Remark> remarks_on(const Imported& imported, std::string_view property) {
  std::vector<Remark> out;
  const auto add = [&](const std::vector<Remark>& remarks) {
    for (const Remark& remark : remarks) {
      if (remark.property == property) out.push_back(remark);
    }
  };
  for (const auto& server : imported.servers) add(server.remarks);
  add(imported.remarks);
  return out;
}

bool has_verdict(const std::vector<Remark>& remarks, Verdict verdict) {
  for (const Remark& remark : remarks) {
    if (remark.verdict == verdict) return true;
  }
  return false;
}

}  // namespace mailroot::import
