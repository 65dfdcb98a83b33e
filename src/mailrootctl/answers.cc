#include "answers.h"

#include <fmt/format.h>
#include <fnmatch.h>
#include <sys/stat.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <optional>
#include <utility>

#include "mailroot/base/slug.h"
#include "mailroot/config/describe.h"
#include "mailroot/config/limits.h"

namespace mailroot::ctl {

namespace {

namespace fs = std::filesystem;

constexpr std::string_view kWildcard = "all-unassigned";
constexpr std::string_view kPackagedHomes = "/var/spool/mailroot";
constexpr int kPortsTried[] = {25, 587, 2525, 2526, 2527, 2528, 2529, 10025};
constexpr size_t kIdLengthSuggested = 40;

std::optional<IpAddress> parse_address(std::string_view text) {
  if (text.starts_with('[') && text.ends_with(']')) text = text.substr(1, text.size() - 2);
  return IpAddress::parse(text);
}

// As a binding's address is written.
std::string as_written(const std::string& address) {
  const auto ip = parse_address(address);
  if (!ip) return address;
  return ip->family() == IpFamily::v6 ? "[" + ip->to_string() + "]" : ip->to_string();
}

std::optional<uint16_t> parse_port(const std::string& text) {
  uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size() || port == 0) return std::nullopt;
  return port;
}

// An include pattern's directory without the backslashes; nothing when it has a pattern in it.
std::optional<std::string> plain_directory(const std::string& pattern) {
  std::string out;
  const size_t end = pattern.rfind('/');
  for (size_t i = 0; i < end && end != std::string::npos; ++i) {
    if (pattern[i] == '\\' && i + 1 < end) {
      out += pattern[++i];
    } else if (std::string_view("*?[").contains(pattern[i])) {
      return std::nullopt;
    } else {
      out += pattern[i];
    }
  }
  return out;
}

}  // namespace

AnswerChecks::AnswerChecks(const config::ConfigSnapshot& snapshot, config::MachineState machine,
                           config::MachineNames names, bool may_make_home)
    : snapshot_(snapshot),
      machine_(std::move(machine)),
      names_(std::move(names)),
      may_make_home_(may_make_home) {}

std::string AnswerChecks::check_name(const std::string& name) const {
  if (name.find_first_not_of(" \t") == std::string::npos) {
    return "a virtual server has a name; any text will do";
  }
  return config::why_wrong_value("name", config::quote_scalar(name));
}

std::string AnswerChecks::check_id(const std::string& id) const {
  const bool known_form = !id.empty() && id.size() <= config::kServerIdMax && id.front() != '.' &&
                          id.front() != '-' && std::all_of(id.begin(), id.end(), [](char c) {
                            return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                                   (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
                          });
  if (!known_form) {
    return fmt::format("an id is the name of a file: letters, digits, - _ . and at most {} bytes",
                       config::kServerIdMax);
  }
  for (const auto& server : snapshot_.servers) {
    if (server->id == id && !snapshot_.built_in_default) {
      return fmt::format("virtual server {} is there already ({})", id, server->place.file);
    }
  }
  const auto file = file_of(id);
  if (!file) return file.error();
  struct stat status{};
  if (::lstat(file->c_str(), &status) == 0) return *file + " is there already";
  return {};
}

std::string AnswerChecks::check_address(const std::string& address) const {
  const std::string why =
      config::why_wrong_value("bindings[].address", config::quote_scalar(as_written(address)));
  if (!why.empty()) return why;
  const auto ip = parse_address(address);
  if (!ip || machine_.takes_foreign_addresses || config::is_local(*ip, machine_.addresses))
    return {};
  return fmt::format("{} is not an address of this machine", ip->to_string());
}

std::string AnswerChecks::find_clash(const config::BindingKey& key) const {
  if (snapshot_.built_in_default) return {};  // it ends when there is another
  for (const auto& server : snapshot_.servers) {
    for (const auto& binding : server->bindings) {
      if (config::key_of(binding) != key) continue;
      return fmt::format("{} belongs to virtual server {}, \"{}\" ({})", key.to_string(),
                         server->id, server->name, binding.place.to_string());
    }
  }
  return {};
}

std::string AnswerChecks::check_port(const std::string& address, const std::string& port) const {
  const auto number = parse_port(port);
  if (!number) return config::why_wrong_value("bindings[].port", config::quote_scalar(port));
  const config::BindingKey key{parse_address(address), *number};
  const std::string clash = find_clash(key);
  return clash.empty() ? config::why_not_listen(key, machine_) : clash;
}

std::string AnswerChecks::check_home(const std::string& home) const {
  if (home.empty()) return "a virtual server has a home directory";
  const std::string why = config::why_wrong_value("home_directory", config::quote_scalar(home));
  if (!why.empty()) return why;
  Answers answers;
  answers.home = home;
  const std::string path = resolved_home(answers);
  const bool exists = fs::exists(path);
  const std::string other = config::server_with_home(snapshot_, path, "");
  if (!other.empty() && !snapshot_.built_in_default) {
    for (const auto& server : snapshot_.servers) {
      if (server->id != other) continue;
      return fmt::format("{} and {}, the home directory of virtual server {} ({}), are not apart",
                         path, server->home_directory, other, server->place.file);
    }
  }
  // Root makes what is missing, and gives it to the daemon's user.
  const config::User user = may_make_home_ && !exists ? config::User{} : machine_.user;
  return config::why_no_home(path, user);
}

std::string AnswerChecks::check_domain(const std::string& domain) const {
  return config::why_wrong_value("default_domain", config::quote_scalar(domain));
}

std::string AnswerChecks::suggest_name() const {
  const size_t count = snapshot_.built_in_default ? 0 : snapshot_.servers.size();
  return count == 0 ? "Default SMTP Virtual Server"
                    : fmt::format("SMTP Virtual Server {}", count + 1);
}

std::string AnswerChecks::suggest_id(const std::string& name) const {
  // The first is the default virtual server.
  if (snapshot_.built_in_default && check_id("default").empty()) return "default";
  std::string base = slug(name, kIdLengthSuggested);
  if (base.empty()) base = "server";
  for (int number = 1;; ++number) {
    const std::string id = number == 1 ? base : fmt::format("{}-{}", base, number);
    if (check_id(id).empty() || number > 1000) return id;
  }
}

std::string AnswerChecks::suggest_address() const {
  for (const std::string& address : address_choices()) {
    if (check_port(address, "25").empty()) return address;
  }
  return std::string(kWildcard);
}

std::string AnswerChecks::suggest_port(const std::string& address) const {
  for (const int port : kPortsTried) {
    if (check_port(address, std::to_string(port)).empty()) return std::to_string(port);
  }
  return "25";
}

std::string AnswerChecks::suggest_home(const std::string& id) const {
  fs::path beside(kPackagedHomes);
  if (!snapshot_.built_in_default && !snapshot_.servers.empty()) {
    beside = fs::path(snapshot_.servers.front()->home_directory).parent_path();
  }
  const std::string home = (beside / id).string();
  return check_home(home).empty() ? home : (fs::path(kPackagedHomes) / id).string();
}

std::vector<std::string> AnswerChecks::address_choices() const {
  std::vector<std::string> out = {std::string(kWildcard)};
  for (const IpAddress& address : machine_.addresses) {
    out.push_back(as_written(address.to_string()));
  }
  return out;
}

std::expected<std::string, std::string> AnswerChecks::file_of(const std::string& id) const {
  const std::string& pattern = snapshot_.service.include;
  const auto directory = plain_directory(pattern);
  if (!directory) {
    return std::unexpected("service.include " + pattern +
                           " names no single directory; write the file by hand");
  }
  const size_t star = pattern.rfind('*');
  const std::string ending = star == std::string::npos ? "" : pattern.substr(star + 1);
  for (const std::string& suffix : {std::string(".yaml"), ending}) {
    const std::string file = *directory + "/" + id + suffix;
    const bool matches = ::fnmatch(pattern.c_str(), file.c_str(), FNM_PATHNAME | FNM_PERIOD) == 0;
    if (matches && fs::path(file).stem() == id) return file;
  }
  return std::unexpected(
      fmt::format("service.include {} would not read a file of that name", pattern));
}

std::string AnswerChecks::resolved_home(const Answers& answers) const {
  const auto directory = plain_directory(snapshot_.service.include);
  std::string path = (fs::path(directory.value_or("/")) / answers.home).lexically_normal().string();
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  return path;
}

std::string AnswerChecks::render(const Answers& answers) const {
  config::VirtualServer server;
  server.id = answers.id;
  server.name = answers.name;
  config::Binding binding;
  binding.address = parse_address(answers.address);
  binding.port = parse_port(answers.port).value_or(binding.port);
  server.bindings = {binding};
  if (answers.default_domain != "auto") server.default_domain = answers.default_domain;
  server.home_directory = answers.home;
  return config::render_new_server(server);
}

}  // namespace mailroot::ctl
