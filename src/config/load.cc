#include "mailroot/config/load.h"

#include <fmt/format.h>
#include <fnmatch.h>
#include <glob.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <utility>

#include "login_checks.h"
#include "mailroot/config/limits.h"
#include "presets.h"
#include "record.h"
#include "server_checks.h"
#include "source_text.h"
#include "users_file.h"

namespace mailroot::config {

namespace {

constexpr std::string_view kPackagedLogs = "/var/log/mailroot/";
constexpr std::string_view kPackagedHome = "/var/spool/mailroot/";

std::string digest_of(std::string_view text) {
  // FNV-1a: names a state of a file for ourselves, nobody attacks it.
  uint64_t hash = 0xcbf29ce484222325;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return fmt::format("{:016x}-{}", hash, text.size());
}

// Other users are other settings.
std::string users_digest(const VirtualServer& server) {
  const Authentication& authentication = server.access.authentication;
  if (authentication.users == nullptr) return authentication.users_trouble;
  return std::string(sasl::as_text(authentication.users->digest()));
}

void complete(VirtualServer& server, const MachineNames& names) {
  if (server.name.empty()) server.name = server.id;
  if (server.default_domain.empty()) server.default_domain = names.fqdn;
  if (server.fqdn.empty()) server.fqdn = names.fqdn;
  if (server.protocol_log.directory.empty()) {
    server.protocol_log.directory = std::string(kPackagedLogs) + server.id;
  }
  if (server.home_directory.empty()) server.home_directory = std::string(kPackagedHome) + server.id;
}

std::string absolute(const std::string& file) {
  return (std::filesystem::current_path() / file).lexically_normal().string();
}

// Letters, digits, '-', '_' and inner dots: it becomes a directory name and part of log lines.
bool is_server_id(std::string_view id) {
  if (id.empty() || id.size() > kServerIdMax || id.front() == '.' || id.front() == '-')
    return false;
  return std::all_of(id.begin(), id.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
  });
}

// The literal part of a pattern, so that a directory named "[x]" is not taken for one.
std::string escape_glob(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (std::string_view("\\*?[").contains(c)) out += '\\';
    out += c;
  }
  return out;
}

std::vector<std::string> expand(const std::string& pattern) {
  glob_t found{};
  std::vector<std::string> out;
  if (::glob(pattern.c_str(), GLOB_ERR, nullptr, &found) == 0) {
    out.assign(found.gl_pathv, found.gl_pathv + found.gl_pathc);
  }
  ::globfree(&found);
  return out;
}

class Loader {
 public:
  Loader(const std::string& file, const LoadOptions& options)
      : file_(absolute(file)), instead_(options.instead) {
    names_ = machine_names(options.machine ? *options.machine : read_machine_files());
  }

  std::expected<ConfigSnapshot, std::vector<Problem>> run() {
    snapshot_.file = file_;
    Context context(file_, problems_);
    const bool readable = read_file(service_keys(), context, snapshot_.service);
    if (readable) {
      check_service(context);
      load_servers(context);
    }
    if (!problems_.empty()) return std::unexpected(problems_.take());
    if (snapshot_.servers.empty()) use_built_in();
    if (!names_.warning.empty()) snapshot_.warnings.push_back(names_.warning);
    return std::move(snapshot_);
  }

 private:
  // False: the file could not be read or is no YAML.
  template <class S>
  bool read_file(const KeyTable<S>& table, Context& context, S& record) {
    const auto other = instead_.find(context.file());
    const bool reads_disk = other == instead_.end() || !other->second;
    auto text = reads_disk ? read_source(context.file()) : *other->second;
    if (!text) {
      problems_.add(std::move(text.error()));
      return false;
    }
    return read_document(*text, table, context, record);
  }

  void check_service(Context& context) {
    if (snapshot_.service.control_socket.size() > kSocketPathMax) {
      context.complain_at_key("service.control_socket",
                              fmt::format("{} is longer than {} bytes, what a Unix socket may have",
                                          snapshot_.service.control_socket, kSocketPathMax));
    }
  }

  void load_servers(Context& context) {
    const std::string written = snapshot_.service.include;
    const std::filesystem::path directory = std::filesystem::path(file_).parent_path();
    const bool is_absolute = written.starts_with('/');
    const std::string pattern =
        is_absolute ? written : escape_glob(directory.string()) + "/" + written;
    snapshot_.service.include = pattern;
    const auto files = put_instead(pattern, expand(pattern));
    if (files.empty()) complain_empty_include(context, written, directory);
    if (files.size() > kServersMax) {
      context.complain_at_key("service.include", fmt::format("matches {} files, more than {}",
                                                             files.size(), kServersMax));
      return;
    }
    std::map<std::string, VirtualServer> servers;
    for (const auto& file : files) load_server(file, servers);
    for (auto& [id, server] : servers) {
      snapshot_.servers.push_back(std::make_shared<const VirtualServer>(std::move(server)));
    }
    check_dane(snapshot_, problems_);
    check_log_directories(snapshot_, problems_);
  }

  // The files of the pattern, were the disk as `instead_` says.
  std::vector<std::string> put_instead(const std::string& pattern, std::vector<std::string> files) {
    for (const auto& [file, text] : instead_) {
      std::erase(files, file);
      const bool matches = ::fnmatch(pattern.c_str(), file.c_str(), FNM_PATHNAME | FNM_PERIOD) == 0;
      if (text && matches) files.push_back(file);
    }
    std::sort(files.begin(), files.end());
    return files;
  }

  // No definitions at all is a service with the built-in server (decisions 13). A pattern that
  // misses files which are there, or names a directory that is not, is a mistake.
  void complain_empty_include(Context& context, const std::string& written,
                              const std::filesystem::path& directory) {
    if (!context.was_set("service.include")) return;
    const std::filesystem::path place = (directory / written).parent_path();
    std::error_code error;
    const bool exists = std::filesystem::is_directory(place, error);
    const bool has_pattern = written.find_first_of("*?[") != std::string::npos;
    if (exists && has_pattern && std::filesystem::is_empty(place, error) && !error) return;
    const std::string why = !exists       ? "; there is no such directory"
                            : has_pattern ? "; the directory holds other files"
                                          : "";
    context.complain_at_key("service.include", "\"" + written + "\" matches no file" + why);
  }

  void load_server(const std::string& file, std::map<std::string, VirtualServer>& servers) {
    Context context(file, problems_);
    VirtualServer server;
    server.id = std::filesystem::path(file).stem().string();
    server.place = {file, 1, 1};
    if (!is_server_id(server.id)) {
      context.add({server.place,
                   {},
                   fmt::format("the file's name is the virtual server's id: letters, digits, - _ . "
                               "and at most {} bytes",
                               kServerIdMax),
                   {},
                   {},
                   {}});
    }
    const auto twin = servers.find(server.id);
    if (twin != servers.end()) {
      context.add({server.place,
                   {},
                   fmt::format("has the id {} of {}", server.id, twin->second.place.file),
                   {},
                   {},
                   {}});
      return;
    }
    if (!read_file(server_keys(), context, server)) return;
    complete(server, names_);
    for (auto& warning : context.take_warnings()) snapshot_.warnings.push_back(std::move(warning));
    Login& login = server.delivery.login;
    apply_preset(server.delivery.smart_host, login, server.delivery.security, "delivery.security",
                 context);
    complete_login(login);
    for (size_t i = 0; i < server.domains.size(); ++i) {
      Domain& domain = server.domains[i];
      apply_preset(domain.smart_host, domain.login, domain.security, section_of_domain(i), context);
      complete_login(domain.login);
    }
    users_files_.read(server, problems_, snapshot_.warnings);
    check_server(server, context, snapshot_.warnings);
    load_login(login, "delivery.security", context, snapshot_.warnings);
    std::string secrets = login.secrets_digest;
    for (size_t i = 0; i < server.domains.size(); ++i) {
      Login& own = server.domains[i].login;
      load_login(own, section_of_domain(i), context, snapshot_.warnings);
      secrets += own.secrets_digest;
    }
    server.content_digest = digest_of(render_effective(server) + users_digest(server) + secrets);
    servers.emplace(server.id, std::move(server));
  }

  void use_built_in() {
    snapshot_.built_in_default = true;
    snapshot_.servers.push_back(
        std::make_shared<const VirtualServer>(built_in_default_server(names_)));
    snapshot_.warnings.push_back(
        fmt::format("{} matches no file: running the built-in default virtual server",
                    snapshot_.service.include));
  }

  std::string file_;
  const std::map<std::string, std::optional<std::string>>& instead_;
  MachineNames names_;
  ProblemList problems_;
  UsersFiles users_files_;
  ConfigSnapshot snapshot_;
};

}  // namespace

VirtualServer built_in_default_server(const MachineNames& names) {
  VirtualServer server;
  server.id = "default";
  server.name = "Default SMTP Virtual Server";
  server.bindings.emplace_back();
  server.place.file = "(built-in)";
  server.bindings.front().place.file = "(built-in)";
  complete(server, names);
  server.content_digest = digest_of(render_effective(server));
  return server;
}

std::expected<ConfigSnapshot, std::vector<Problem>> load(const std::string& file,
                                                         const LoadOptions& options) {
  return Loader(file, options).run();
}

}  // namespace mailroot::config
