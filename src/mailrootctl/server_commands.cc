// The command line of `server`.
#include "server_commands.h"

#include <memory>
#include <utility>

#include "show.h"

namespace mailroot::ctl {

namespace {

constexpr char kShield = '\x01';

void lift_shields(std::vector<std::string>& words) {
  for (std::string& word : words) {
    if (word.starts_with(kShield)) word.erase(0, 1);
  }
}

void add_server_looking(CLI::App& server, const Settings& settings, int& code) {
  server.add_subcommand("list", "the virtual servers, their states and reasons")
      ->callback([&settings, &code] { code = list_servers(settings); });
  const auto id = std::make_shared<std::string>();
  auto* show = server.add_subcommand("show", "every property: its value, and where it is set");
  show->add_option("ID", *id, "id of the virtual server")->required();
  show->callback([&settings, &code, id] { code = show_one_server(settings, *id); });
  const auto word = std::make_shared<std::string>();
  auto* keys = server.add_subcommand("keys", "what can be set: key, values, default, meaning");
  keys->add_option("WORD", *word, "only keys with this in their name");
  keys->callback([&settings, &code, word] { code = list_keys(settings, *word); });
}

void add_server_changing(CLI::App& server, const Settings& settings, int& code) {
  const auto arguments = std::make_shared<ChangeArguments>();
  auto* set = server.add_subcommand(
      "set", "change a property in the virtual server's file, and leave the rest as it is");
  set->add_option("ID", arguments->id, "id of the virtual server")->required();
  set->add_option("KEY VALUE...", arguments->words,
                  "messages.size_limit 20 MiB; of a list each word is an entry; "
                  "server keys lists all keys")
      ->required()
      ->expected(-1);
  auto* add = set->add_flag("--add", arguments->add, "add these entries to the list");
  auto* remove = set->add_flag("--remove", arguments->remove, "remove these entries from the list")
                     ->excludes(add);
  set->add_flag("--default", arguments->reset, "remove the key from the file: its default counts")
      ->excludes(add)
      ->excludes(remove);
  set->add_flag("--keep-old-as-alias", arguments->keep_old_as_alias,
                "of default_domain: the old one becomes an alias");
  set->add_flag("--force", arguments->force, "although the virtual server could not start so");
  set->add_flag("--no-reload", arguments->no_reload, "only write the file");
  set->callback([&settings, &code, arguments] {
    lift_shields(arguments->words);
    code = set_key(settings, *arguments);
  });

  auto* rename = server.add_subcommand("rename", "give it another name; that moves nothing");
  rename->add_option("ID", arguments->id, "id of the virtual server; it stays")->required();
  rename->add_option("NAME...", arguments->words, "the new name")->required()->expected(-1);
  rename->add_flag("--no-reload", arguments->no_reload, "only write the file");
  rename->callback([&settings, &code, arguments] {
    lift_shields(arguments->words);
    code = rename_server(settings, *arguments);
  });
}

void add_server_making(CLI::App& server, const Settings& settings, int& code) {
  const auto made = std::make_shared<NewArguments>();
  auto* fresh = server.add_subcommand(
      "new", "the New Virtual Server Wizard; asks on a terminal for what is not given");
  fresh->add_option("--name", made->name, "free text");
  fresh->add_option("--address", made->address, "all-unassigned, or an address of this machine");
  fresh->add_option("--port", made->port, "TCP port");
  fresh->add_option("--home", made->home, "home directory: Pickup, Queue, Drop, Badmail, Journal");
  fresh->add_option("--default-domain", made->default_domain, "its local domain, or auto");
  fresh->add_option("--id", made->id, "name of its file; made from --name when left out");
  fresh->add_flag("--yes", made->yes, "do not ask whether the summary is right");
  fresh->add_flag("--no-reload", made->no_reload, "only write the file");
  fresh->callback([&settings, &code, made] { code = new_server(settings, *made); });

  const auto gone = std::make_shared<DeleteArguments>();
  auto* remove = server.add_subcommand("delete", "delete it; its directories and mail stay");
  remove->add_option("ID", gone->id, "id of the virtual server")->required();
  remove->add_flag("--yes", gone->yes, "do not ask");
  remove->add_flag("--no-reload", gone->no_reload, "only put the file aside");
  remove->callback([&settings, &code, gone] { code = delete_server(settings, *gone); });
}

}  // namespace

std::vector<std::string> shield_words(int count, const char* const* arguments) {
  std::vector<std::string> out(arguments + 1, arguments + count);
  bool takes_words = false;
  for (size_t i = 0; i < out.size(); ++i) {
    const bool is_verb = i > 0 && out[i - 1] == "server" && (out[i] == "set" || out[i] == "rename");
    takes_words = takes_words || is_verb;
    if (takes_words && out[i].starts_with('[')) out[i].insert(0, 1, kShield);
  }
  return out;
}

void add_server(CLI::App& app, const Settings& settings, int& code) {
  auto* server = app.add_subcommand("server", "virtual servers: make, show, change, delete");
  server->require_subcommand(1);
  server->fallthrough();
  add_server_looking(*server, settings, code);
  add_server_making(*server, settings, code);
  add_server_changing(*server, settings, code);
  add_states(*server, settings, code);
}

}  // namespace mailroot::ctl
