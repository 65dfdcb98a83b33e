// server delete: the file is put aside, the directories stay.
#include <fmt/format.h>
#include <fnmatch.h>
#include <unistd.h>

#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>

#include "config_files.h"
#include "mail_left.h"
#include "server_commands.h"
#include "site.h"

namespace mailroot::ctl {

using nlohmann::ordered_json;

namespace {

namespace fs = std::filesystem;

uint64_t count_files(const fs::path& directory) {
  uint64_t count = 0;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(directory, error)) {
    if (entry.is_regular_file(error)) ++count;
  }
  return count;
}

// "" or why not.
std::string why_not(const Site& site, const config::VirtualServer& server) {
  if (site.snapshot.built_in_default) {
    return "this is the built-in default virtual server; it is there while no other is defined";
  }
  if (server.id == "default") {
    return "the default virtual server cannot be deleted; stop it, or set autostart false";
  }
  if (site.snapshot.servers.size() == 1) {
    return "it is the only virtual server; without one the built-in default would run. Make "
           "another first, or stop it";
  }
  config::LoadOptions options;
  options.instead[server.place.file] = std::nullopt;
  const auto loaded = config::load(site.config, options);
  return loaded ? "" : loaded.error().front().to_string();
}

// A name that the include pattern does not take for a virtual server.
std::string name_aside(const std::string& pattern, const fs::path& file) {
  const std::string name = file.filename().string() + ".deleted";
  const std::string path = (file.parent_path() / name).string();
  const bool matches = ::fnmatch(pattern.c_str(), path.c_str(), FNM_PATHNAME | FNM_PERIOD) == 0;
  return matches ? "." + name : name;
}

bool is_confirmed(const config::VirtualServer& server) {
  fmt::print("Virtual server {} ({}), {}\n", server.id, server.name, server.place.file);
  fmt::print("Its sessions end. Its home directory {} stays, with all mail in it.\n",
             server.home_directory);
  fmt::print("Delete it? [y/N] ");
  std::fflush(stdout);
  std::string answer;
  std::getline(std::cin, answer);
  return answer == "y" || answer == "Y" || answer == "yes";
}

}  // namespace

std::vector<std::pair<std::string, uint64_t>> count_mail(const std::string& home,
                                                         const std::string& badmail) {
  std::vector<std::pair<std::string, uint64_t>> out;
  for (const std::string& folder :
       {std::string("Pickup"), std::string("Queue"), std::string("Drop"), badmail}) {
    const fs::path top = fs::path(home) / folder;
    out.emplace_back(folder,
                     count_files(top) + count_files(top / "new") + count_files(top / "cur"));
  }
  return out;
}

void show_mail_left(const config::VirtualServer& server) {
  std::string counts;
  uint64_t sum = 0;
  for (const auto& [folder, count] : count_mail(server.home_directory, server.badmail_directory)) {
    counts += fmt::format("{}{} {}", counts.empty() ? "" : ", ", folder, count);
    sum += count;
  }
  fmt::print("{} stays, with {} files of mail ({})\n", server.home_directory, sum, counts);
}

int delete_server(const Settings& settings, const DeleteArguments& arguments) {
  const auto site = open_site(settings);
  if (!site) return site.error();
  const auto* const server = find_or_complain(*site, arguments.id);
  if (server == nullptr) return kRefused;
  if (const std::string why = why_not(*site, *server); !why.empty()) {
    return complain(fmt::format("virtual server {}: {}", server->id, why), kRefused);
  }
  if (!arguments.yes && ::isatty(STDIN_FILENO) == 0) {
    return complain("this is no terminal to ask at: say --yes", kRefused);
  }
  if (!arguments.yes && !is_confirmed(*server)) return complain("nothing was deleted", kRefused);
  const fs::path file(server->place.file);
  std::string kept;
  {
    auto directory = ConfigDirectory::open(file.parent_path().string());
    if (!directory) return complain(directory.error(), kRefused);
    const auto aside = directory->put_aside(file.filename().string(),
                                            name_aside(site->snapshot.service.include, file));
    if (!aside) return complain(aside.error(), kRefused);
    kept = (file.parent_path() / *aside).string();
  }
  const Reloaded reloaded = arguments.no_reload ? Reloaded{} : reload_site(*site, "");
  if (settings.json) {
    ordered_json mail;
    for (const auto& [folder, count] :
         count_mail(server->home_directory, server->badmail_directory)) {
      mail[folder] = count;
    }
    ordered_json document = {{"id", server->id},
                             {"kept_as", kept},
                             {"home_directory", server->home_directory},
                             {"mail", std::move(mail)}};
    document["reload"] = ordered_json::parse(reloaded_json(reloaded));
    fmt::print("{}\n", document.dump(-1, ' ', true, ordered_json::error_handler_t::replace));
  } else {
    fmt::print("virtual server {} is deleted; its file is kept as {}\n", server->id, kept);
    show_reloaded(reloaded, server->id);
    show_mail_left(*server);
  }
  return reloaded.is_trouble() ? kRefused : 0;
}

}  // namespace mailroot::ctl
