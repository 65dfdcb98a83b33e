// config show, config diff.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "client.h"
#include "commands.h"
#include "config_diff.h"
#include "mailroot/config/describe.h"
#include "mailroot/config/load.h"
#include "show_keys.h"
#include "site.h"

namespace mailroot::ctl {

using nlohmann::json;
using nlohmann::ordered_json;

namespace {

constexpr int kDiffers = 3;

struct ShowArguments {
  std::string server;
  bool defaults = false;
};

using Keys = std::vector<config::EffectiveKey>;

void show_keys(const Settings& settings, const std::string& server, const std::string& file,
               const Keys& keys, bool defaults) {
  Keys shown;
  for (const auto& key : keys) {
    if (defaults || key.place) shown.push_back(key);
  }
  if (settings.json) {
    ordered_json list = ordered_json::array();
    for (const auto& key : shown) list.push_back(effective_json(key));
    const ordered_json out = {{"server", server.empty() ? ordered_json() : ordered_json(server)},
                              {"file", file},
                              {"keys", std::move(list)}};
    fmt::print("{}\n", out.dump(-1, ' ', true, ordered_json::error_handler_t::replace));
    return;
  }
  fmt::print("{} ({})\n", server.empty() ? "service" : "virtual server " + server,
             file.empty() ? "no file" : file);
  for (const auto& key : shown) print_effective(key);
  if (shown.empty()) fmt::print("everything has its default\n");
  fmt::print("\n");
}

int show_config(const Settings& settings, const ShowArguments& arguments) {
  const auto site = open_site(settings);
  if (!site) return site.error();
  const config::ConfigSnapshot& snapshot = site->snapshot;
  if (!arguments.server.empty()) {
    const auto* const server = find_or_complain(*site, arguments.server);
    if (server == nullptr) return kRefused;
    show_keys(settings, server->id, server->place.file, effective_keys(*server),
              arguments.defaults);
    return 0;
  }
  show_keys(settings, "", snapshot.file, effective_keys(snapshot.service, snapshot.file),
            arguments.defaults);
  for (const auto& server : snapshot.servers) {
    show_keys(settings, server->id, server->place.file, effective_keys(*server),
              arguments.defaults);
  }
  return 0;
}

int show_diff(const Settings& settings) {
  Client client;
  if (auto connected = client.connect(settings.socket); !connected) {
    return complain(connected.error(), kUnreachable);
  }
  const auto reply = client.ask("config diff");
  if (!reply) return complain(reply.error(), kUnreachable);
  if (!reply->ok) return complain(reply->last, kRefused);
  DiffText diff;
  for (const std::string& line : reply->lines) {
    const json preview = json::parse(line, nullptr, false);
    if (!preview.is_object()) return complain("mailrootd answered out of form", kRefused);
    diff = diff_text(preview);
    fmt::print("{}", settings.json ? line + "\n" : diff.text);
  }
  if (diff.would_be_refused) return kRefused;
  return diff.differs ? kDiffers : 0;
}

}  // namespace

void add_config(CLI::App& app, const Settings& settings, int& code) {
  auto* config = app.add_subcommand("config", "the configuration: what is in force, what differs");
  config->require_subcommand(1);
  const auto arguments = std::make_shared<ShowArguments>();
  auto* show = config->add_subcommand("show", "what the files set, each with its file and line");
  show->add_option("--server", arguments->server, "only this virtual server");
  show->add_flag("--defaults", arguments->defaults, "also what has its default");
  show->callback([&settings, &code, arguments] { code = show_config(settings, *arguments); });
  config
      ->add_subcommand("diff",
                       "what differs from what runs, and what a reload would do; exit code 0 "
                       "nothing, 3 something, 1 it would be refused")
      ->callback([&settings, &code] { code = show_diff(settings); });
}

}  // namespace mailroot::ctl
