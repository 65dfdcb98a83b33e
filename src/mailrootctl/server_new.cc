// server new: the New Virtual Server Wizard. Nothing is written before all answers are there and
// the summary is confirmed; then the file comes into being whole.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>

#include "answers.h"
#include "config_files.h"
#include "mail_left.h"
#include "mailroot/config/describe.h"
#include "server_commands.h"
#include "site.h"

namespace mailroot::ctl {

using nlohmann::ordered_json;

namespace {

namespace fs = std::filesystem;

constexpr int kInterrupted = 130;  // as a shell calls it
constexpr int kTriesMax = 100;     // wrong answers to one question

// Ctrl-C in mid-wizard: says so and goes. Only calls what a signal may.
void say_and_go(int) {
  constexpr std::string_view kText = "\nNothing was written.\n";
  [[maybe_unused]] const ssize_t ignored = ::write(STDERR_FILENO, kText.data(), kText.size());
  ::_exit(kInterrupted);
}

struct Question {
  std::string text;         // "Name"
  std::string explanation;  // said to "?"
  std::string suggestion;
  std::function<std::string(const std::string&)> check;
};

std::string trimmed(const std::string& text) {
  const size_t first = text.find_first_not_of(" \t\r");
  if (first == std::string::npos) return "";
  return text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

// A right answer; nothing when the terminal has none to give any more.
std::optional<std::string> ask_person(const Question& question) {
  for (int tries = 0; tries < kTriesMax; ++tries) {
    fmt::print("{} [{}]: ", question.text, question.suggestion);
    std::fflush(stdout);
    std::string line;
    if (!std::getline(std::cin, line)) return std::nullopt;
    std::string answer = trimmed(line);
    if (answer == "?") {
      fmt::print("  {}\n", question.explanation);
      continue;
    }
    if (answer.empty()) answer = question.suggestion;
    const std::string why = question.check(answer);
    if (why.empty()) return answer;
    fmt::print("  {}\n", why);
  }
  return std::nullopt;
}

std::string explain(std::string_view key) {
  const auto* const found = config::find_server_key(key);
  return found == nullptr ? "" : fmt::format("{} ({})", found->text, found->type);
}

class Wizard {
 public:
  Wizard(const Settings& settings, const Site& site, const NewArguments& given, bool has_terminal)
      : settings_(settings),
        site_(site),
        given_(given),
        has_terminal_(has_terminal),
        checks_(site.snapshot, config::look_at_machine(site.socket),
                config::machine_names(config::read_machine_files()), ::geteuid() == 0) {}

  int run() {
    if (const int failed = refuse_to_guess(); failed != 0) return failed;
    if (has_terminal_) begin();
    if (const int failed = ask_all(); failed != 0) return failed;
    auto file = checks_.file_of(answers_.id);
    if (!file) return complain(file.error(), kRefused);
    file_ = *file;
    if (const int failed = check_whole(); failed != 0) return failed;
    if (!given_.yes && !is_confirmed()) return complain("nothing was written", kRefused);
    return write();
  }

 private:
  // Without a terminal every answer must be given.
  int refuse_to_guess() const {
    if (has_terminal_) return 0;
    const std::pair<const char*, const std::string*> needed[] = {
        {"--name", &given_.name},
        {"--address", &given_.address},
        {"--port", &given_.port},
        {"--home", &given_.home},
        {"--default-domain", &given_.default_domain}};
    std::string missing;
    for (const auto& [flag, value] : needed) {
      if (value->empty()) missing += (missing.empty() ? "" : " ") + std::string(flag);
    }
    if (!missing.empty()) {
      return complain("this is no terminal to ask at; missing: " + missing, kRefused);
    }
    return given_.yes ? 0 : complain("this is no terminal to ask at; say --yes", kRefused);
  }

  void begin() const {
    std::signal(SIGINT, say_and_go);
    if (site_.snapshot.built_in_default) {
      fmt::print(
          "No virtual server is defined: the built-in default runs, and ends when this one "
          "is made.\n");
    }
    fmt::print(
        "New virtual server. Enter takes what stands in brackets, ? explains, Ctrl-C "
        "leaves without a trace.\n\n");
  }

  // The flag's answer or the person's; a wrong flag ends it.
  int answer(const std::string& given, const Question& question, std::string& out) const {
    if (!given.empty()) {
      const std::string why = question.check(given);
      out = given;
      return why.empty() ? 0 : complain(question.text + ": " + why, kRefused);
    }
    auto told = ask_person(question);
    if (!told) {
      fmt::print("\n");
      return complain("nothing was written", kRefused);
    }
    out = std::move(*told);
    return 0;
  }

  int ask_all() {
    const auto name = [this](const std::string& text) { return checks_.check_name(text); };
    int failed =
        answer(given_.name, {"Name", explain("name"), checks_.suggest_name(), name}, answers_.name);
    if (failed != 0) return failed;
    answers_.id = given_.id.empty() ? checks_.suggest_id(answers_.name) : given_.id;
    if (const std::string why = checks_.check_id(answers_.id); !why.empty()) {
      return complain("Id: " + why, kRefused);
    }
    failed = ask_binding();
    if (failed != 0) return failed;
    const auto home = [this](const std::string& text) { return checks_.check_home(text); };
    failed = answer(
        given_.home,
        {"Home directory", explain("home_directory"), checks_.suggest_home(answers_.id), home},
        answers_.home);
    if (failed != 0) return failed;
    const auto domain = [this](const std::string& text) { return checks_.check_domain(text); };
    const std::string machine = fmt::format(" (auto is {})", checks_.machine_name());
    return answer(given_.default_domain,
                  {"Default domain" + machine, explain("default_domain"), "auto", domain},
                  answers_.default_domain);
  }

  int ask_binding() {
    std::string choices;
    for (const auto& choice : checks_.address_choices()) choices += "\n    " + choice;
    if (has_terminal_ && given_.address.empty()) {
      fmt::print("  Addresses of this machine:{}\n", choices);
    }
    const auto address = [this](const std::string& text) {
      const std::string why = checks_.check_address(text);
      if (why.empty()) return why;
      std::string all;
      for (const auto& choice : checks_.address_choices())
        all += (all.empty() ? "" : ", ") + choice;
      return why + "; this machine has: " + all;
    };
    const int failed =
        answer(given_.address,
               {"IP address", explain("bindings[].address"), checks_.suggest_address(), address},
               answers_.address);
    if (failed != 0) return failed;
    const auto port = [this](const std::string& text) {
      return checks_.check_port(answers_.address, text);
    };
    return answer(
        given_.port,
        {"TCP port", explain("bindings[].port"), checks_.suggest_port(answers_.address), port},
        answers_.port);
  }

  // The text in the whole configuration, before it is there.
  int check_whole() {
    text_ = checks_.render(answers_);
    config::LoadOptions options;
    options.instead[file_] = text_;
    const auto loaded = config::load(site_.config, options);
    std::vector<std::string> wrong;
    if (!loaded) {
      for (const auto& problem : loaded.error()) wrong.push_back(problem.to_string());
    } else {
      for (const auto& finding : config::startability(*loaded)) {
        if (finding.server == answers_.id) wrong.push_back(finding.to_string());
      }
    }
    for (const auto& line : wrong) fmt::print(stderr, "{}\n", line);
    return wrong.empty() ? 0 : complain("nothing was written", kRefused);
  }

  bool is_confirmed() const {
    const std::string home = checks_.resolved_home(answers_);
    const bool is_auto = answers_.default_domain == "auto";
    fmt::print("\n  Name             {}\n  File             {}\n  Address, port    {}, {}\n",
               answers_.name, file_, answers_.address, answers_.port);
    fmt::print("  Home directory   {}{}\n", home,
               fs::exists(home) ? " (is there; its mail is taken over)" : " (will be made)");
    fmt::print("  Default domain   {}{}\n", answers_.default_domain,
               is_auto ? " (" + checks_.machine_name() + ")" : "");
    fmt::print(
        "  Relaying         for nobody; later: mailrootctl server set {} "
        "access.relay.allow --add NETWORK\n\n",
        answers_.id);
    fmt::print("Make it? [Y/n] ");
    std::fflush(stdout);
    std::string line;
    if (!std::getline(std::cin, line)) return false;
    const std::string word = trimmed(line);
    return word.empty() || word == "y" || word == "Y" || word == "yes";
  }

  // Root makes the directory for the daemon's user, who might have no right to.
  std::expected<void, std::string> make_home() const {
    const std::string home = checks_.resolved_home(answers_);
    const config::User& user = checks_.user();
    if (::geteuid() != 0 || user.uid == 0 || fs::exists(home)) return {};
    std::error_code error;
    fs::create_directories(fs::path(home).parent_path(), error);
    if (error) return std::unexpected(home + ": " + error.message());
    if (::mkdir(home.c_str(), 0700) != 0 || ::chown(home.c_str(), user.uid, user.gid) != 0) {
      return std::unexpected(system_trouble(home));
    }
    return {};
  }

  int write() {
    const fs::path path(file_);
    std::error_code error;
    fs::create_directories(path.parent_path(), error);
    if (auto made = make_home(); !made) return complain(made.error(), kRefused);
    const auto& servers = site_.snapshot.servers;
    const bool alone = site_.snapshot.built_in_default;
    const std::string like = alone ? site_.config : servers.front()->place.file;
    {
      auto directory = ConfigDirectory::open(path.parent_path().string());
      if (!directory) return complain(directory.error(), kRefused);
      auto made = directory->create(path.filename().string(), text_, like);
      if (!made) return complain(made.error(), kRefused);
    }
    const Reloaded reloaded = given_.no_reload ? Reloaded{} : reload_site(site_, answers_.id);
    if (settings_.json) {
      ordered_json document = {{"id", answers_.id},
                               {"file", file_},
                               {"home_directory", checks_.resolved_home(answers_)}};
      document["reload"] = ordered_json::parse(reloaded_json(reloaded));
      fmt::print("{}\n", document.dump(-1, ' ', true, ordered_json::error_handler_t::replace));
    } else {
      fmt::print("{} is written\n", file_);
      show_reloaded(reloaded, answers_.id);
      // The built-in default ends; its home may not be the new one's.
      if (alone && servers.front()->home_directory != checks_.resolved_home(answers_)) {
        show_mail_left(*servers.front());
      }
    }
    return reloaded.is_trouble() ? kRefused : 0;
  }

  const Settings& settings_;
  const Site& site_;
  const NewArguments& given_;
  const bool has_terminal_;
  AnswerChecks checks_;
  Answers answers_;
  std::string file_, text_;
};

}  // namespace

int new_server(const Settings& settings, const NewArguments& arguments) {
  const auto site = open_site(settings);
  if (!site) return site.error();
  const bool has_terminal = ::isatty(STDIN_FILENO) != 0 && ::isatty(STDOUT_FILENO) != 0;
  return Wizard(settings, *site, arguments, has_terminal).run();
}

}  // namespace mailroot::ctl
