// The command line in groups, a file each: every function adds its subcommands to `app`, whose
// callbacks run after the whole line is read and leave the exit code in `code`. `settings` and
// `code` outlive the parse.
// Exit codes: 0 done, 1 refused or failed, 2 mailrootd cannot be reached; check: as mailrootd;
// doctor: 1 warnings, 2 problems; test-mail: 3 deferred, 4 not known in time.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>
#include <vector>

namespace mailroot::ctl {

inline constexpr int kRefused = 1;
inline constexpr int kUnreachable = 2;

struct Settings {
  std::string socket = "/run/mailroot/control.sock";
  std::string config = "/etc/mailroot/mailroot.yaml";
  bool json = false;
  // Whether the two above were given; set before the parse.
  const CLI::Option* socket_option = nullptr;
  const CLI::Option* config_option = nullptr;
  bool socket_given() const { return socket_option != nullptr && socket_option->count() > 0; }
  bool config_given() const { return config_option != nullptr && config_option->count() > 0; }
};

void add_looking(CLI::App& app, const Settings& settings, int& code);  // status servers check
void add_queue(CLI::App& app, const Settings& settings, int& code);    // queue ...
void add_queue_cat(CLI::App& queue, const Settings& settings, int& code);
void add_queue_operations(CLI::App& queue, const Settings& settings, int& code);
void add_connections(CLI::App& app, const Settings& settings, int& code);
void add_doctor(CLI::App& app, const Settings& settings, int& code);
void add_test_mail(CLI::App& app, const Settings& settings, int& code);
void add_smarthost(CLI::App& app, const Settings& settings, int& code);  // smarthost test
void add_oauth(CLI::App& app, const Settings& settings, int& code);      // oauth login
void add_trace(CLI::App& app, const Settings& settings, int& code);
void add_config(CLI::App& app, const Settings& settings, int& code);
void add_limits(CLI::App& app, const Settings& settings, int& code);
void add_backup(CLI::App& app, const Settings& settings, int& code);  // backup move-home
void add_move_home(CLI::App& app, const Settings& settings, int& code);
void add_top(CLI::App& app, const Settings& settings, int& code);
void add_changing(CLI::App& app, const Settings& settings, int& code);  // reload start stop ...
void add_states(CLI::App& app, const Settings& settings, int& code);    // start stop pause ...
void add_server(CLI::App& app, const Settings& settings, int& code);    // server ...
void add_user(CLI::App& app, const Settings& settings, int& code);      // user ...
void add_import(CLI::App& app, const Settings& settings, int& code);    // import-iis import-mail

// The words of the command line, in order, for App::parse: CLI11 takes what stands in brackets for
// a list and takes it apart, but "[192.0.2.7]" is a value.
std::vector<std::string> shield_words(int count, const char* const* arguments);

// One line on standard error; gives `code` back.
int complain(const std::string& text, int code);

using Show = std::function<void(const std::vector<std::string>&)>;
void show_nothing(const std::vector<std::string>& documents);

// Asks the daemon one command, shows what came (as JSON when that is wanted), and the last line if
// `say_last`. The exit code.
int ask(const Settings& settings, const std::string& command, const Show& show, bool say_last);

}  // namespace mailroot::ctl
