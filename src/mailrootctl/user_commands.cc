// user: who may log in at a virtual server.
#include <fmt/format.h>
#include <grp.h>
#include <openssl/rand.h>
#include <unistd.h>

#include <filesystem>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>

#include "commands.h"
#include "config_files.h"
#include "file_edit.h"
#include "mailroot/config/machine_state.h"
#include "mailroot/sasl/limits.h"
#include "password_prompt.h"
#include "site.h"
#include "users_text.h"

namespace mailroot::ctl {

using nlohmann::ordered_json;

namespace {

namespace fs = std::filesystem;

struct UserArguments {
  std::string name, server, senders;
  bool password_stdin = false, disabled = false, enabled = false;
  bool yes = false, no_reload = false;
  const CLI::Option* senders_option = nullptr;
};

constexpr const char* kKey = "access.authentication.users";
constexpr const char* kGroup = "mailroot";

// The users file of one virtual server.
struct UsersFile {
  Site site;
  const config::VirtualServer* server = nullptr;
  fs::path path;
  bool is_configured = false;

  const sasl::Users* users() const { return server->access.authentication.users.get(); }
};

// The one that is named, else the only one, else the only one with a users file.
const config::VirtualServer* choose_server(const Site& site, const std::string& id) {
  if (!id.empty()) return find_or_complain(site, id);
  const auto& servers = site.snapshot.servers;
  if (servers.size() == 1) return servers.front().get();
  const config::VirtualServer* found = nullptr;
  for (const auto& server : servers) {
    if (server->access.authentication.users_file.empty()) continue;
    if (found != nullptr) {
      complain("several virtual servers have users: say --server ID", kRefused);
      return nullptr;
    }
    found = server.get();
  }
  if (found == nullptr) complain("no virtual server has users yet: say --server ID", kRefused);
  return found;
}

std::expected<UsersFile, int> open_users(const Settings& settings, const UserArguments& wanted) {
  auto site = open_site(settings);
  if (!site) return std::unexpected(site.error());
  UsersFile out;
  out.site = std::move(*site);
  out.server = choose_server(out.site, wanted.server);
  if (out.server == nullptr) return std::unexpected(kRefused);
  if (out.site.snapshot.built_in_default) {
    return std::unexpected(
        complain("this is the built-in default virtual server, which has no file and no users; "
                 "mailrootctl server new --id default makes one",
                 kRefused));
  }
  const std::string& configured = out.server->access.authentication.users_file;
  out.is_configured = !configured.empty();
  out.path = out.is_configured
                 ? fs::path(configured)
                 : fs::path(out.site.config).parent_path() / (out.server->id + ".users");
  return out;
}

// The daemon's group, so that it can read the file: of the one that runs, else the package's.
gid_t group_of_daemon(const Site& site) {
  if (const auto daemon = config::find_daemon(site.socket)) return daemon->user.gid;
  const group* known = ::getgrnam(kGroup);
  return known != nullptr ? known->gr_gid : ::getegid();
}

using Change = std::function<std::expected<std::string, std::string>(std::string_view text)>;

// Locked from the reading to the writing.
std::expected<void, std::string> write_users(const UsersFile& file, const Change& change) {
  std::error_code error;
  fs::path path = file.path;
  const bool exists = fs::exists(path, error);
  if (exists) path = fs::canonical(path, error);
  if (error) return std::unexpected(file.path.string() + ": " + error.message());
  auto directory = ConfigDirectory::open(path.parent_path().string());
  if (!directory) return std::unexpected(directory.error());
  std::expected<std::string, std::string> text("");
  if (exists) text = read_config_file(path.string());
  if (!text) return std::unexpected(text.error());
  const auto changed = change(*text);
  if (!changed) return std::unexpected(changed.error());
  const std::string name = path.filename().string();
  if (exists) return directory->replace(name, *text, *changed);
  return directory->create_secret(name, *changed, group_of_daemon(file.site));
}

// The virtual server's file is to name the users file that was just made.
std::expected<void, std::string> configure(const UsersFile& file) {
  auto edit = FileEdit::open(file.site, *file.server);
  if (!edit) return std::unexpected(edit.error());
  const config::Wish wish{config::Edit::Action::set, kKey, {file.path.string()}};
  if (auto applied = edit->apply(wish); !applied) return applied;
  const auto verdict = edit->check();
  if (!verdict.problems.empty()) return std::unexpected(verdict.problems.front());
  return edit->write();
}

int finish(const Settings& settings, const UsersFile& file, const UserArguments& wanted,
           std::string_view done, const Change& change) {
  if (auto written = write_users(file, change); !written) {
    return complain(written.error(), kRefused);
  }
  if (!file.is_configured) {
    if (auto configured = configure(file); !configured) {
      return complain(fmt::format("{} is written, but {} could not be set: {}", file.path.string(),
                                  kKey, configured.error()),
                      kRefused);
    }
  }
  const std::string& id = file.server->id;
  const Reloaded reloaded = wanted.no_reload ? Reloaded{} : reload_site(file.site, id);
  if (settings.json) {
    ordered_json document = {
        {"user", wanted.name}, {"done", done}, {"server", id}, {"file", file.path.string()}};
    document["reload"] = ordered_json::parse(reloaded_json(reloaded));
    fmt::print("{}\n", document.dump(-1, ' ', true, ordered_json::error_handler_t::replace));
  } else {
    fmt::print("user {} is {}, in {}\n", wanted.name, done, file.path.string());
    if (!file.is_configured) fmt::print("{} of virtual server {} is set\n", kKey, id);
    show_reloaded(reloaded, id);
  }
  return reloaded.is_trouble() ? kRefused : 0;
}

// As in the file: parsed once more there. Nothing: it was told what is wrong.
bool set_senders(const UserArguments& wanted, sasl::User& user) {
  if (wanted.senders_option == nullptr || wanted.senders_option->count() == 0) return true;
  user.senders.clear();
  if (wanted.senders.empty()) return true;
  sasl::User sample;
  sample.name = "x";
  sample.keys = sasl::ScramKeys{sasl::kScramIterations, "x", {}, {}};
  const auto parsed = sasl::parse_user(sample.to_line() + ":senders=" + wanted.senders);
  if (!parsed || wanted.senders.contains(' ')) {
    complain("--senders takes addresses and @domains with commas between", kRefused);
    return false;
  }
  user.senders = parsed->senders;
  return true;
}

bool set_password(const UserArguments& wanted, sasl::User& user) {
  auto password = read_password(wanted.name, wanted.password_stdin);
  if (!password) {
    complain(password.error(), kRefused);
    return false;
  }
  std::string random(2 * sasl::kSaltBytes, '\0');
  const bool is_random = RAND_bytes(reinterpret_cast<unsigned char*>(random.data()),
                                    static_cast<int>(random.size())) == 1;
  const auto made = is_random ? make_verifiers(*password, random) : std::nullopt;
  sasl::wipe(*password);
  if (!made) {
    complain("no hash could be made: memory or randomness is short", kRefused);
    return false;
  }
  user.hash = made->hash;
  user.keys = made->keys;
  return true;
}

int add_one(const Settings& settings, const UserArguments& wanted) {
  if (const auto why = sasl::why_no_name(wanted.name); !why.empty()) {
    return complain(std::string(why), kRefused);
  }
  const auto file = open_users(settings, wanted);
  if (!file) return file.error();
  if (file->users() != nullptr && file->users()->find(wanted.name) != nullptr) {
    return complain("there is a user " + wanted.name + " already", kRefused);
  }
  sasl::User user;
  user.name = wanted.name;
  user.disabled = wanted.disabled;
  if (!set_senders(wanted, user) || !set_password(wanted, user)) return kRefused;
  return finish(settings, *file, wanted, "added",
                [&](std::string_view text) { return with_user(text, user); });
}

// passwd and set.
int change_one(const Settings& settings, const UserArguments& wanted, bool new_password) {
  const auto file = open_users(settings, wanted);
  if (!file) return file.error();
  const sasl::User* known = file->users() == nullptr ? nullptr : file->users()->find(wanted.name);
  if (known == nullptr) return complain("there is no user " + wanted.name, kRefused);
  sasl::User user = *known;
  if (wanted.disabled) user.disabled = true;
  if (wanted.enabled) user.disabled = false;
  if (!set_senders(wanted, user)) return kRefused;
  if (new_password && !set_password(wanted, user)) return kRefused;
  return finish(settings, *file, wanted, "changed",
                [&](std::string_view text) { return with_user_changed(text, user); });
}

int delete_one(const Settings& settings, const UserArguments& wanted) {
  const auto file = open_users(settings, wanted);
  if (!file) return file.error();
  if (file->users() == nullptr || file->users()->find(wanted.name) == nullptr) {
    return complain("there is no user " + wanted.name, kRefused);
  }
  if (!wanted.yes && ::isatty(STDIN_FILENO) == 0) {
    return complain("this is no terminal to ask at: say --yes", kRefused);
  }
  if (!wanted.yes) {
    fmt::print("Delete user {} of virtual server {}? [y/N] ", wanted.name, file->server->id);
    std::fflush(stdout);
    std::string answer;
    std::getline(std::cin, answer);
    if (answer != "y" && answer != "Y" && answer != "yes") {
      return complain("nothing was deleted", kRefused);
    }
  }
  return finish(settings, *file, wanted, "deleted",
                [&](std::string_view text) { return without_user(text, wanted.name); });
}

std::string verifiers_of(const sasl::User& user) {
  std::string out;
  if (!user.hash.empty()) out = user.hash.starts_with("$y$") ? "yescrypt" : "crypt";
  if (user.keys) out += (out.empty() ? "" : ", ") + std::string("SCRAM-SHA-256");
  return out;
}

std::string senders_of(const sasl::User& user) {
  std::string out;
  for (const auto& sender : user.senders) out += (out.empty() ? "" : ",") + sender;
  return out.empty() ? "any" : out;
}

int list_users(const Settings& settings, const UserArguments& wanted) {
  const auto file = open_users(settings, wanted);
  if (!file) return file.error();
  if (!file->server->access.authentication.users_trouble.empty()) {
    return complain(file->server->access.authentication.users_trouble, kRefused);
  }
  if (file->users() == nullptr) return 0;
  for (const auto& [name, user] : *file->users()) {
    if (settings.json) {
      const ordered_json document = {{"user", name},
                                     {"server", file->server->id},
                                     {"verifiers", verifiers_of(user)},
                                     {"senders", user.senders},
                                     {"disabled", user.disabled}};
      fmt::print("{}\n", document.dump(-1, ' ', true, ordered_json::error_handler_t::replace));
    } else {
      fmt::print("{:<30} {:<24} {}{}\n", name, verifiers_of(user), senders_of(user),
                 user.disabled ? " (disabled)" : "");
    }
  }
  return 0;
}

void show_bans(const std::vector<std::string>& documents) {
  for (const std::string& document : documents) {
    const auto ban = nlohmann::json::parse(document);
    fmt::print("{:<12} {:<8} {:<40} until {:.19}\n", ban["server"].get<std::string>(),
               ban["kind"].get<std::string>(), ban["who"].get<std::string>(),
               ban["until"].get<std::string>());
  }
}

void add_bans(CLI::App& user, const Settings& settings, int& code) {
  const auto server = std::make_shared<std::string>();
  const auto who = std::make_shared<std::string>();
  const auto restriction = [server] { return server->empty() ? "" : " server=" + *server; };
  auto* list = user.add_subcommand("bans", "addresses and users that failed to log in too often");
  list->add_option("--server", *server, "only of this virtual server");
  list->callback([&settings, &code, restriction] {
    code = ask(settings, "bans list" + restriction(), show_bans, false);
  });
  auto* end = user.add_subcommand("unban", "let an address or a user log in again");
  end->add_option("WHO", *who, "an address, a user, or all")->required();
  end->add_option("--server", *server, "only of this virtual server");
  end->callback([&settings, &code, restriction, who] {
    code = ask(settings, "bans end " + *who + restriction(), show_nothing, true);
  });
}

using Run = int (*)(const Settings& settings, const UserArguments& wanted);

std::shared_ptr<UserArguments> add_command(CLI::App& user, const char* name, const char* text,
                                           const Settings& settings, int& code, Run run,
                                           CLI::App*& command) {
  const auto wanted = std::make_shared<UserArguments>();
  command = user.add_subcommand(name, text);
  command->add_option("--server", wanted->server, "id of the virtual server, if there are several");
  command->callback([&settings, &code, wanted, run] { code = run(settings, *wanted); });
  return wanted;
}

void take_name(CLI::App& command, UserArguments& wanted) {
  command.add_option("NAME", wanted.name, "as the client says it")->required();
  command.add_flag("--no-reload", wanted.no_reload, "only write the file");
}

void take_password(CLI::App& command, UserArguments& wanted) {
  command.add_flag("--password-stdin", wanted.password_stdin,
                   "the first line of standard input is the password");
}

void take_senders(CLI::App& command, UserArguments& wanted) {
  wanted.senders_option =
      command.add_option("--senders", wanted.senders,
                         "addresses and @domains the user may send as, with commas; \"\" is any");
}

}  // namespace

void add_user(CLI::App& app, const Settings& settings, int& code) {
  auto* user = app.add_subcommand("user", "who may log in at a virtual server: its users file");
  user->require_subcommand(1);
  user->fallthrough();
  CLI::App* command = nullptr;
  add_command(*user, "list", "the users, what they log in with, what they may send as", settings,
              code, list_users, command);
  auto wanted = add_command(*user, "add",
                            "a new user; asks for the password, or takes it from "
                            "standard input",
                            settings, code, add_one, command);
  take_name(*command, *wanted);
  take_password(*command, *wanted);
  take_senders(*command, *wanted);
  command->add_flag("--disabled", wanted->disabled, "cannot log in until user set --enable");
  wanted = add_command(
      *user, "passwd", "another password; open sessions with the old one end", settings, code,
      [](const Settings& s, const UserArguments& w) { return change_one(s, w, true); }, command);
  take_name(*command, *wanted);
  take_password(*command, *wanted);
  wanted = add_command(
      *user, "set", "what a user may", settings, code,
      [](const Settings& s, const UserArguments& w) { return change_one(s, w, false); }, command);
  take_name(*command, *wanted);
  take_senders(*command, *wanted);
  auto* disable = command->add_flag("--disable", wanted->disabled, "cannot log in");
  command->add_flag("--enable", wanted->enabled, "can log in again")->excludes(disable);
  add_bans(*user, settings, code);
  wanted = add_command(*user, "delete", "asks first", settings, code, delete_one, command);
  take_name(*command, *wanted);
  command->add_flag("--yes", wanted->yes, "without asking");
}

}  // namespace mailroot::ctl
