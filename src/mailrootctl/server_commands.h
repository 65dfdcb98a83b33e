// The subcommands of `server`; each gives the exit code.
#pragma once

#include <string>
#include <vector>

#include "commands.h"
#include "mailroot/config/edit.h"
#include "mailroot/config/snapshot.h"

namespace mailroot::ctl {

int list_servers(const Settings& settings);
int show_one_server(const Settings& settings, const std::string& id);
// Every key of a virtual server file whose path has `word` in it.
int list_keys(const Settings& settings, const std::string& word);

struct ChangeArguments {
  std::string id;
  std::vector<std::string> words;  // KEY VALUE...; of rename the new name
  bool add = false, remove = false, reset = false;
  bool keep_old_as_alias = false;
  bool force = false;  // although the virtual server could not start with it
  bool no_reload = false;
};
int set_key(const Settings& settings, const ChangeArguments& arguments);
int rename_server(const Settings& settings, const ChangeArguments& arguments);

struct DeleteArguments {
  std::string id;
  bool yes = false;
  bool no_reload = false;
};
int delete_server(const Settings& settings, const DeleteArguments& arguments);

struct NewArguments {
  std::string name, address, port, home, default_domain, id;
  bool yes = false;
  bool no_reload = false;
};
int new_server(const Settings& settings, const NewArguments& arguments);

}  // namespace mailroot::ctl
