// mailrootctl: looks into a running mailrootd, commands it over the control socket, and writes
// its configuration files.
#include <algorithm>
#include <utility>

#include "commands.h"

int main(int argc, char** argv) {
  using namespace mailroot::ctl;
  CLI::App app{"looks into a running mailrootd and commands it", "mailrootctl"};
  Settings settings;
  int code = 0;
  settings.socket_option =
      app.add_option("--socket", settings.socket, "control socket")->capture_default_str();
  settings.config_option =
      app.add_option("--config", settings.config,
                     "configuration file; server and check ask a running mailrootd for it")
          ->capture_default_str();
  app.add_flag("--json", settings.json, "answers as JSON, one document a line");
  app.set_version_flag("--version", std::string("mailrootctl " MAILROOT_VERSION));
  app.require_subcommand(1);
  app.fallthrough();
  add_looking(app, settings, code);
  add_queue(app, settings, code);
  add_connections(app, settings, code);
  add_doctor(app, settings, code);
  add_test_mail(app, settings, code);
  add_trace(app, settings, code);
  add_smarthost(app, settings, code);
  add_oauth(app, settings, code);
  add_config(app, settings, code);
  add_limits(app, settings, code);
  add_backup(app, settings, code);
  add_top(app, settings, code);
  add_changing(app, settings, code);
  add_server(app, settings, code);
  add_user(app, settings, code);
  add_import(app, settings, code);
  std::vector<std::string> words = shield_words(argc, argv);
  std::reverse(words.begin(), words.end());  // as App::parse wants them
  try {
    app.parse(std::move(words));
  } catch (const CLI::ParseError& error) {
    return app.exit(error);
  }
  return code;
}
