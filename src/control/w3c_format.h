// Lines of the W3C Extended Log File Format as the IIS SMTP service writes them. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "mailroot/base/protocol_log.h"
#include "mailroot/config/snapshot.h"

namespace mailroot::control {

// What stands in the fields that are the same in every line.
struct W3cSite {
  std::string site;      // s-sitename
  std::string computer;  // s-computername
};

// "#Software", "#Version", "#Date", "#Fields": the head of a file.
std::string w3c_head(const std::vector<std::string>& fields, WallTime time);
// One line with its line feed. Blanks become "+"; octets that are no printable ASCII become %XX, so
// that nothing a peer sends can end the line or make another field.
void append_w3c_line(std::string& out, const log::ProtocolLine& line, const W3cSite& site,
                     const std::vector<std::string>& fields);
// The file that a line of that moment belongs to (UTC): exyymmddhh.log, exyymmdd.log, exyymmww.log,
// exyymm.log. By size (`number`) extend<n>.log. Never a new one: extend1.log.
std::string w3c_file_name(config::LogRotation rotation, WallTime time, uint32_t number);
// The n of extend<n>.log; 0 for other names.
uint32_t w3c_file_number(std::string_view name);

}  // namespace mailroot::control
