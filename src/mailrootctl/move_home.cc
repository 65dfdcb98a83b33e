// move-home: stop, copy, sync, edit the YAML, start; undone when a step fails.
#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "client.h"
#include "commands.h"
#include "copy_progress.h"
#include "counted.h"
#include "file_edit.h"
#include "file_tools.h"
#include "mailroot/config/machine_state.h"
#include "site.h"
#include "tree_copy.h"

namespace mailroot::ctl {

using nlohmann::ordered_json;

namespace {

namespace fs = std::filesystem;

struct MoveArguments {
  std::string id, directory;
};

// One step after the other; what was done is known, so that it can be undone.
class HomeMove {
 public:
  HomeMove(const Settings& settings, const Site& site, const config::VirtualServer& server,
           std::string to)
      : settings_(settings), site_(site), server_(server), to_(std::move(to)) {}

  // "" or why not; then everything is as before, unless it says otherwise.
  std::string run();
  uint64_t files() const { return copied_.files.size(); }

 private:
  std::string why_not() const;
  std::string stop();
  std::string copy();
  std::string edit();
  std::string start();
  std::string undo();
  std::string command(const std::string& line) const;
  std::string state() const;
  void say(const std::string& text) const;

  const Settings& settings_;
  const Site& site_;
  const config::VirtualServer& server_;
  std::string to_;
  bool has_daemon_ = false, was_running_ = false, is_stopped_ = false;
  bool is_partial_ = false, is_placed_ = false, is_edited_ = false;
  TreeCopy copied_;
  std::optional<FileEdit> edit_;
};

void HomeMove::say(const std::string& text) const {
  if (!settings_.json) {
    fmt::print("{}\n", text);
    std::fflush(stdout);
  }
}

// "" or what the daemon said against it.
std::string HomeMove::command(const std::string& line) const {
  Client client;
  if (auto connected = client.connect(site_.socket); !connected) return connected.error();
  const auto reply = client.ask(line);
  if (!reply) return reply.error();
  return reply->ok ? "" : reply->last;
}

std::string HomeMove::state() const {
  const auto states = ask_states(site_);
  if (!states) return "";
  for (const auto& [id, state] : *states) {
    if (id == server_.id) return state.state;
  }
  return "";
}

std::string HomeMove::why_not() const {
  std::error_code error;
  if (!fs::is_directory(server_.home_directory, error)) {
    return "its home directory " + server_.home_directory + " is not there";
  }
  if (fs::exists(to_, error) && !fs::is_empty(to_, error)) return to_ + " is there and not empty";
  if (!fs::is_directory(fs::path(to_).parent_path(), error)) {
    return "there is no directory " + fs::path(to_).parent_path().string();
  }
  const std::string other = config::server_with_home(site_.snapshot, to_, "");
  if (!other.empty()) {
    return fmt::format("{} is the home directory of {}, or in it or around it", to_, other);
  }
  return "";
}

std::string HomeMove::stop() {
  has_daemon_ = ask_states(site_).has_value();
  if (!has_daemon_ && config::find_daemon(site_.socket)) return "mailrootd does not answer";
  if (!has_daemon_) return "";
  const std::string before = state();
  was_running_ = before == "started" || before == "paused";
  if (!was_running_) return "";
  say("stopping virtual server " + server_.id);
  std::string why = command("stop " + server_.id);
  is_stopped_ = why.empty();
  return why;
}

std::string HomeMove::copy() {
  say(fmt::format("copying {} to {}", server_.home_directory, to_));
  TreeCopyOptions options;
  CopyProgress progress(server_.id);
  options.first = first_of_home;
  options.progress = [&progress](const std::string& path) { return progress.step(path); };
  const std::string partial = to_ + ".moving";
  if (auto removed = remove_tree(partial); !removed) return removed.error();
  is_partial_ = true;
  auto copied = copy_tree(server_.home_directory, partial, options);
  if (!copied) return copied.error();
  copied_ = std::move(*copied);
  if (!copied_.left_out.empty()) {
    return copied_.left_out.front() + " is neither a file nor a directory; take it away first";
  }
  // An empty directory may stand there already.
  ::rmdir(to_.c_str());
  if (::rename(partial.c_str(), to_.c_str()) != 0) return system_trouble(to_);
  is_placed_ = true;
  const auto synced = sync_parent(to_);
  return synced ? "" : synced.error();
}

std::string HomeMove::edit() {
  auto opened = FileEdit::open(site_, server_);
  if (!opened) return opened.error();
  edit_.emplace(std::move(*opened));
  const config::Wish wish{config::Edit::Action::set, "home_directory", {to_}};
  if (auto applied = edit_->apply(wish); !applied) return applied.error();
  const auto verdict = edit_->check();
  if (!verdict.problems.empty()) return verdict.problems.front();
  if (!verdict.obstacles.empty()) return verdict.obstacles.front();
  if (CopyProgress::is_interrupted()) return "interrupted";
  // Who started it meanwhile has mail that the copy lacks.
  const bool is_quiet = has_daemon_ ? state() == "stopped" : !ask_states(site_).has_value();
  if (!is_quiet) return "it was started meanwhile";
  say("writing " + edit_->file());
  if (auto written = edit_->write(); !written) return written.error();
  is_edited_ = true;
  return "";
}

std::string HomeMove::start() {
  if (!has_daemon_) return "";
  if (std::string why = command("reload"); !why.empty()) return "reload: " + why;
  if (!was_running_) return "";
  say("starting virtual server " + server_.id);
  if (std::string why = command("start " + server_.id); !why.empty()) return why;
  is_stopped_ = false;
  const std::string now = state();
  return now == "started" ? "" : "it is " + now;
}

// What cannot be undone is told.
std::string HomeMove::undo() {
  std::string left;
  const auto note = [&left](const std::string& why) {
    if (!why.empty()) left += (left.empty() ? "" : "; ") + why;
  };
  if (is_edited_) {
    if (was_running_ && !is_stopped_) note(command("stop " + server_.id));
    const auto restored = edit_->restore();
    note(restored ? "" : restored.error());
    if (has_daemon_) note(command("reload"));
    // What was received in the new home meanwhile must not be lost with it.
    if (!is_stopped_) {
      is_placed_ = false;
      note("look into " + to_ + " for mail that came meanwhile");
    }
    is_stopped_ = was_running_;
  }
  if (is_stopped_) note(command("start " + server_.id));
  if (is_partial_) {
    const auto removed = remove_tree(to_ + ".moving");
    note(removed ? "" : removed.error());
  }
  if (is_placed_ && left.empty()) {
    const auto removed = remove_tree(to_);
    note(removed ? "" : removed.error());
  }
  return left;
}

std::string HomeMove::run() {
  if (std::string why = why_not(); !why.empty()) return why;
  std::string why = stop();
  if (why.empty()) why = copy();
  if (why.empty()) why = edit();
  if (why.empty()) why = start();
  if (why.empty()) return "";
  const std::string left = undo();
  return why + (left.empty() ? "; everything is as before" : "; not undone: " + left);
}

int move_home(const Settings& settings, const MoveArguments& arguments) {
  const auto site = open_site(settings);
  if (!site) return site.error();
  const auto* const server = find_or_complain(*site, arguments.id);
  if (server == nullptr) return kRefused;
  std::error_code error;
  std::string to = fs::absolute(arguments.directory, error).lexically_normal().string();
  while (to.size() > 1 && to.ends_with('/')) to.pop_back();
  if (::geteuid() != 0 && config::find_daemon(site->socket)) {
    const auto daemon = config::find_daemon(site->socket);
    if (daemon->user.uid != ::geteuid()) {
      return complain("only root can give the files to the daemon's user", kRefused);
    }
  }
  CopyProgress::catch_interrupt();
  HomeMove move(settings, *site, *server, to);
  const std::string why = move.run();
  if (!why.empty()) return complain(why, kRefused);
  if (settings.json) {
    const ordered_json out = {
        {"id", server->id}, {"from", server->home_directory}, {"to", to}, {"files", move.files()}};
    fmt::print("{}\n", out.dump(-1, ' ', true, ordered_json::error_handler_t::replace));
  } else {
    fmt::print(
        "virtual server {} lives in {} ({}); {} stays as it was: remove it, never start "
        "from it again\n",
        server->id, to, counted(move.files(), "file"), server->home_directory);
  }
  return 0;
}

}  // namespace

void add_move_home(CLI::App& app, const Settings& settings, int& code) {
  const auto arguments = std::make_shared<MoveArguments>();
  auto* command = app.add_subcommand(
      "move-home", "move a virtual server's home directory: stop, copy, edit its file, start");
  command->add_option("SERVER", arguments->id, "id of the virtual server")->required();
  command->add_option("DIR", arguments->directory, "the new home, empty or not there")->required();
  command->callback([&settings, &code, arguments] { code = move_home(settings, *arguments); });
}

}  // namespace mailroot::ctl
