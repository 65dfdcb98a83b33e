// What changes nothing: status, servers, check.
#include <cstdio>

#include "commands.h"
#include "mailroot/config/load.h"
#include "mailroot/tls/context.h"
#include "show.h"
#include "site.h"

namespace mailroot::ctl {

namespace {

int check(const Settings& settings) {
  auto result = config::check_here(config_file_of(settings), {});
  tls::check_certificates(result, WallTime(std::chrono::system_clock::now().time_since_epoch()));
  std::fputs(result.report().c_str(), result.exit_code == 0 ? stdout : stderr);
  return result.exit_code;
}

}  // namespace

void add_looking(CLI::App& app, const Settings& settings, int& code) {
  app.add_subcommand("status", "the service, its virtual servers and their figures")->callback([&] {
    code = ask(settings, "status", show_status, false);
  });
  app.add_subcommand("servers", "the virtual servers, their states and reasons")->callback([&] {
    code = ask(settings, "servers", show_servers, false);
  });
  app.add_subcommand("metrics", "what Prometheus is told, as text")->callback([&] {
    code = ask(settings, "metrics", show_texts, false);
  });
  app.add_subcommand("check", "check the configuration files; nothing is changed")->callback([&] {
    code = check(settings);
  });
}

}  // namespace mailroot::ctl
