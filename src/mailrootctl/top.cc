// top: the daemon at work, live.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <thread>

#include "client.h"
#include "commands.h"
#include "screen.h"
#include "top_frame.h"

namespace mailroot::ctl {

using nlohmann::json;
using nlohmann::ordered_json;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

namespace {

constexpr size_t kDestinations = 50;          // asked for
constexpr milliseconds kSignalPatience{500};  // a signal may come just before the waiting
constexpr size_t kPlainColumns = 200;
constexpr size_t kPlainRows = 1000;

struct TopArguments {
  double interval_seconds = 1;
  uint64_t count = 0;  // 0: without end
  bool once = false;
};

double seconds_now() {
  return std::chrono::duration<double>(steady_clock::now().time_since_epoch()).count();
}

// Connects anew after the daemon was gone.
class Sampler {
 public:
  explicit Sampler(std::string socket) : socket_(std::move(socket)) {}

  // Figures of the last time stay when there is trouble.
  TopSample take(TopSample last) {
    last.trouble = fill(last);
    if (!last.trouble.empty()) client_.reset();
    return last;
  }

 private:
  std::string fill(TopSample& sample) {
    if (!client_) {
      client_ = std::make_unique<Client>();
      if (auto connected = client_->connect(socket_); !connected) return connected.error();
    }
    const auto status = client_->ask("status");
    if (!status) return status.error();
    if (!status->ok || status->lines.empty()) return status->last;
    const auto list = client_->ask(fmt::format("destinations max={}", kDestinations));
    if (!list) return list.error();
    json parsed = json::parse(status->lines.front(), nullptr, false);
    if (!parsed.is_object()) return "mailrootd answered out of form";
    sample.seconds = seconds_now();
    sample.status = std::move(parsed);
    sample.destinations.clear();
    for (const std::string& line : list->lines) {
      json one = json::parse(line, nullptr, false);
      if (one.is_object()) sample.destinations.push_back(std::move(one));
    }
    return "";
  }

  std::string socket_;
  std::unique_ptr<Client> client_;
};

milliseconds interval_of(const TopArguments& arguments) {
  return milliseconds(static_cast<int64_t>(arguments.interval_seconds * 1000));
}

void print_plain(const Settings& settings, const TopSample& before, const TopSample& now) {
  if (settings.json) {
    fmt::print("{}\n",
               top_json(before, now).dump(-1, ' ', true, ordered_json::error_handler_t::replace));
  } else {
    for (const std::string& line : top_frame(before, now, kPlainColumns, kPlainRows)) {
      fmt::print("{}\n", line);
    }
  }
  std::fflush(stdout);
}

// As JSON without end; else one frame.
int run_plain(const Settings& settings, const TopArguments& arguments, Sampler& sampler,
              TopSample before) {
  const bool one = arguments.once || (!settings.json && arguments.count == 0);
  const uint64_t count = one ? 1 : arguments.count;
  for (uint64_t i = 0; count == 0 || i < count; ++i) {
    std::this_thread::sleep_for(interval_of(arguments));
    TopSample now = sampler.take(before);
    if (!now.trouble.empty()) return complain(now.trouble, kUnreachable);
    print_plain(settings, before, now);
    if (std::ferror(stdout) != 0) return kRefused;
    before = std::move(now);
  }
  return 0;
}

int run_screen(const TopArguments& arguments, Sampler& sampler, TopSample before) {
  Screen screen;
  TopSample now = before;
  uint64_t shown = 0;
  auto next = steady_clock::now();
  while (true) {
    const auto [columns, rows] = screen.size();
    if (!screen.show(top_frame(before, now, columns, rows))) return kRefused;
    if (arguments.count != 0 && shown == arguments.count) return 0;
    const auto rest = std::chrono::duration_cast<milliseconds>(next - steady_clock::now());
    if (screen.wait(std::clamp(rest, milliseconds(0), kSignalPatience)) == Screen::Event::quit) {
      return 0;
    }
    if (steady_clock::now() < next) continue;  // only drawn again, maybe in a new size
    ++shown;
    TopSample later = sampler.take(now);
    if (later.trouble.empty()) before = std::move(now);
    now = std::move(later);
    next = steady_clock::now() + interval_of(arguments);
  }
}

int top(const Settings& settings, const TopArguments& arguments) {
  Sampler sampler(settings.socket);
  TopSample first = sampler.take({});
  if (!first.trouble.empty()) return complain(first.trouble, kUnreachable);
  const bool at_terminal = isatty(STDOUT_FILENO) == 1 && isatty(STDIN_FILENO) == 1;
  if (settings.json || arguments.once || !at_terminal) {
    return run_plain(settings, arguments, sampler, std::move(first));
  }
  return run_screen(arguments, sampler, std::move(first));
}

}  // namespace

void add_top(CLI::App& app, const Settings& settings, int& code) {
  const auto arguments = std::make_shared<TopArguments>();
  auto* command = app.add_subcommand(
      "top", "throughput, sessions, queues and the slowest destinations, live; q quits");
  command->add_option("--interval", arguments->interval_seconds, "seconds between two looks")
      ->check(CLI::Range(0.1, 3600.0))
      ->capture_default_str();
  command->add_option("--count", arguments->count, "looks, then it ends");
  command->add_flag("--once", arguments->once, "one look, printed");
  command->callback([&settings, &code, arguments] { code = top(settings, *arguments); });
}

}  // namespace mailroot::ctl
