// Metabases and IPSECLISTs made for tests, and their conversion checked by the real configuration.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mailroot/config/load.h"
#include "mailroot/import/convert.h"
#include "mailroot/import/ip_list.h"

namespace mailroot::import {

using Attributes = std::vector<std::pair<std::string, std::string>>;

// As IIS writes it: a blank before '=', tabs, an attribute a line.
std::string element(std::string_view type, std::string_view location, const Attributes& attributes,
                    std::string_view children = {});
std::string metabase(std::string_view elements);
// A metabase of one virtual server with what every one needs, these attributes, and those of the
// service when given.
std::string one_server(const Attributes& server, const Attributes& service = {},
                       std::string_view more = {});
std::string domain(std::string_view name, const Attributes& attributes, int server = 1);

struct Group {
  std::string mask;
  std::vector<std::string> addresses;
};
// The blob of the layout in ip_list.cc, lower-case hexadecimal.
std::string ip_list(const std::vector<Group>& deny, const std::vector<Group>& grant,
                    uint32_t deny_names = 0, uint32_t grant_names = 0);

std::string utf16(std::string_view ascii, bool big_endian, bool mark);

// What the configuration says of the imported files, all together in one directory.
struct Loaded {
  std::map<std::string, config::VirtualServer> servers;  // by id
  std::vector<std::string> problems;
  int check = 0;
  const config::VirtualServer& only() const;
};
Loaded load(const Imported& imported);

Imported import_text(std::string_view text, const ConvertOptions& options = {});
// The whole way of one virtual server; fails the test when the configuration has a problem with it.
config::VirtualServer server_of(const Attributes& attributes, const Attributes& service = {},
                                std::string_view more = {}, const ConvertOptions& options = {});

// The remarks on one property.
std::vector<Remark> remarks_on(const Imported& imported, std::string_view property);
bool has_verdict(const std::vector<Remark>& remarks, Verdict verdict);

}  // namespace mailroot::import
