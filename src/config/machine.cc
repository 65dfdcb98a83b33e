#include "mailroot/config/machine.h"

#include <fstream>
#include <optional>
#include <sstream>
#include <string_view>
#include <vector>

#include "mailroot/config/limits.h"
#include "scalars.h"

namespace mailroot::config {

namespace {

std::string read_small_file(const char* path) {
  std::ifstream stream(path, std::ios::binary);
  std::string text(kFileSizeMax, '\0');
  stream.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<size_t>(stream.gcount()));
  return text;
}

// The words of each line, comments left out.
std::vector<std::vector<std::string>> words_of_lines(const std::string& text) {
  std::vector<std::vector<std::string>> out;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line.substr(0, line.find('#')));
    std::vector<std::string> found;
    for (std::string word; words >> word;) found.push_back(word);
    if (!found.empty()) out.push_back(std::move(found));
  }
  return out;
}

// The first word, when it is a name.
std::string first_name(const std::string& text) {
  const auto lines = words_of_lines(text);
  if (lines.empty()) return {};
  return parse_host_name(lines.front().front()).value_or("");
}

bool is_full(std::string_view name) {
  return name.contains('.') && name != "localhost.localdomain";
}

// "127.0.1.1 mx.example.com mx": the full name on a line that also names the host, or begins with
// it (hosts(5): the canonical name comes first).
std::string full_name_in_hosts(const std::string& hosts, const std::string& host) {
  for (const auto& words : words_of_lines(hosts)) {
    std::string full;
    bool names_host = false;
    for (size_t i = 1; i < words.size(); ++i) {
      const auto name = parse_host_name(words[i]);
      if (!name) continue;
      if (*name == host || name->starts_with(host + ".")) names_host = true;
      if (full.empty() && is_full(*name)) full = *name;
    }
    if (names_host && !full.empty()) return full;
  }
  return {};
}

}  // namespace

MachineFiles read_machine_files() {
  MachineFiles files;
  files.hostname = read_small_file("/etc/hostname");
  if (first_name(files.hostname).empty()) {
    files.hostname = read_small_file("/proc/sys/kernel/hostname");
  }
  files.hosts = read_small_file("/etc/hosts");
  files.mailname = read_small_file("/etc/mailname");
  return files;
}

MachineNames machine_names(const MachineFiles& files) {
  std::string host = first_name(files.hostname);
  if (is_full(host)) return {host, {}};
  if (host.empty()) host = "localhost";
  std::string full = host == "localhost" ? "" : full_name_in_hosts(files.hosts, host);
  if (full.empty()) full = first_name(files.mailname);
  if (is_full(full)) return {full, {}};
  MachineNames made_up;
  made_up.fqdn = host == "localhost.localdomain" ? host : host + ".localdomain";
  made_up.warning =
      "this machine has no full name in /etc/hostname, /etc/hosts or /etc/mailname; "
      "auto stands for " +
      made_up.fqdn;
  return made_up;
}

std::string mail_name(const MachineFiles& files) {
  const std::string name = first_name(files.mailname);
  return name.empty() ? machine_names(files).fqdn : name;
}

}  // namespace mailroot::config
