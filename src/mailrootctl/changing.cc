// What changes the running service: reload, start, stop, pause, continue.
#include <memory>
#include <utility>

#include "commands.h"
#include "show.h"

namespace mailroot::ctl {

void add_states(CLI::App& app, const Settings& settings, int& code) {
  const std::pair<const char*, const char*> verbs[] = {
      {"start", "start a virtual server"},
      {"stop", "stop it: sessions and deliveries end, mail stays"},
      {"pause", "pause it: no new sessions, the rest goes on"},
      {"continue", "end a pause"}};
  const auto server = std::make_shared<std::string>();
  for (const auto& [verb, description] : verbs) {
    auto* command = app.add_subcommand(verb, description);
    command->add_option("SERVER", *server, "id of the virtual server")->required();
    command->callback([&settings, &code, server, name = std::string(verb)] {
      code = ask(settings, name + " " + *server, show_nothing, true);
    });
  }
}

void add_changing(CLI::App& app, const Settings& settings, int& code) {
  app.add_subcommand("reload", "read the configuration again, as SIGHUP does")->callback([&] {
    code = ask(settings, "reload", show_reload, true);
  });
  add_states(app, settings, code);
}

}  // namespace mailroot::ctl
