// One virtual server on its way from properties to YAML. The parts (convert_*.cc) each take what
// they know; what nobody took is told at the end.
#pragma once

#include <fmt/format.h>

#include <set>
#include <string>
#include <string_view>

#include "mailroot/import/convert.h"
#include "properties.h"
#include "yaml_file.h"

namespace mailroot::import {

// A virtual server's home directory: mapped where the maps say so, apart from all others.
struct HomeChoice {
  std::string path;
  std::string remark;  // why it is not where its map leads; may be empty
  bool mapped = false;
};

class ServerContext {
 public:
  ServerContext(const Instance& of, const Key* service_key, const ConvertOptions& with,
                ImportedServer& into);

  const Instance& instance;
  const Key* service;  // null: not in the file
  const ConvertOptions& options;
  ImportedServer& out;
  Properties properties;
  YamlFile yaml;
  HomeChoice home;
  std::string default_domain;  // lower case; empty: the machine's
  std::vector<std::string> footnotes;

  // Writes `path: value`, commented with the property, and remarks on it.
  void carry(const Setting& from, std::string_view path, const std::string& value,
             std::string text = {}, Verdict verdict = Verdict::same);
  // Remarks without a key in the file.
  void remark(Verdict verdict, const Setting& about, std::string text, std::string key = {});
  // For a part of it: "domain example.com".
  void remark_on(const std::string& subject, Verdict verdict, const Setting& about,
                 std::string text, std::string key = {});
  // The administrator has to decide before this server may run: it does not start by itself.
  void hold(const Setting& about, std::string text);
  void hold_on(const std::string& subject, const Setting& about, std::string text);
  // Has any remark on this property of the virtual server been made?
  bool has_told(std::string_view property) const { return told_.contains(property); }

 private:
  std::set<std::string, std::less<>> told_;
};

// "RouteAction=268", as a comment.
std::string as_comment(const Setting& setting);
std::string shown_value(const Setting& setting);

void convert_general(ServerContext& context);      // name, bindings, names, connections
void convert_access(ServerContext& context);       // relay and connection lists, authentication
void convert_messages(ServerContext& context);     // limits, reports
void convert_delivery(ServerContext& context);     // retries, outbound, smart host, security
void convert_directories(ServerContext& context);  // Pickup, Drop, banner, extensions
void convert_log(ServerContext& context);
void convert_domains(ServerContext& context);
void convert_rest(ServerContext& context);  // LDAP, subkeys, what nobody took
std::string_view why_not_carried(Use use);

// A DWORD that bounds something: 0, 2000000000 and 4294967295 stand for no bound.
bool is_unlimited(uint32_t value);
// A domain as the configuration takes it, or nothing.
std::optional<std::string> host_name(std::string_view text);
// "name", "[address]", "address", with ":port": as the configuration takes it, or nothing.
std::optional<std::string> smart_host(std::string_view text);

std::vector<HomeChoice> choose_homes(const Metabase& metabase, const std::vector<std::string>& ids,
                                     const std::vector<PathMap>& maps);
std::vector<std::string> choose_ids(const Metabase& metabase);

}  // namespace mailroot::import
