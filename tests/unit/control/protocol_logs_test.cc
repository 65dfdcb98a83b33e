// Files of the protocol log: made, continued, changed at a reload, and what is lost is said.
#include "mailroot/control/protocol_logs.h"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

using namespace mailroot;
using namespace mailroot::control;

namespace {

namespace fs = std::filesystem;

struct Place {
  Place() {
    std::string name = "/tmp/mailroot-protocol-XXXXXX";
    REQUIRE(mkdtemp(name.data()) != nullptr);
    path = name;
  }
  ~Place() { fs::remove_all(path); }
  std::vector<std::string> names(const std::string& below = "logs") const {
    std::vector<std::string> out;
    for (const auto& entry : fs::directory_iterator(path / below)) {
      out.push_back(entry.path().filename().string());
    }
    std::ranges::sort(out);
    return out;
  }
  std::string text(const std::string& name) const {
    std::ifstream file(path / "logs" / name);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  }
  fs::path path;
};

struct Events final : log::Sink {
  void write(log::Event&& event) override { names.emplace_back(event.name()); }
  bool enabled(log::Level) const override { return true; }
  std::vector<std::string> names;
};

config::VirtualServer server_in(const Place& place) {
  config::VirtualServer server;
  server.id = "default";
  server.fqdn = "relay01.example";
  server.protocol_log.enabled = true;
  server.protocol_log.directory = place.path / "logs";
  server.protocol_log.fields = {"cs-method"};
  return server;
}

log::ProtocolLine line_with(std::string_view method, std::chrono::seconds at = {}) {
  log::ProtocolLine line;
  line.time = WallTime(std::chrono::seconds(1772699401) + at);
  line.method = method;
  return line;
}

// Without lines that begin with "#".
std::string lines_of(const std::string& text) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size() - 1) + 1;
    if (text[at] != '#') out += text.substr(at, end - at);
    at = end;
  }
  return out;
}

}  // namespace

TEST_CASE("a log that is off is none") {
  Events events;
  ProtocolLogs logs(events);
  config::VirtualServer server;
  CHECK(logs.of(server) == nullptr);
}

TEST_CASE("lines go into the file of their day, later ones behind them") {
  Place place;
  Events events;
  for (const std::string_view method : {"EHLO", "MAIL"}) {
    ProtocolLogs logs(events);
    logs.of(server_in(place))->write(line_with(method));
    logs.of(server_in(place))->write(line_with("QUIT", std::chrono::hours(24)));
  }
  CHECK(place.names() == std::vector<std::string>{"ex260305.log", "ex260306.log"});
  CHECK(lines_of(place.text("ex260305.log")) == "EHLO\nMAIL\n");
  CHECK(lines_of(place.text("ex260306.log")) == "QUIT\nQUIT\n");
  CHECK(place.text("ex260305.log").starts_with("#Software: Mailroot "));
  CHECK(events.names.empty());
  struct stat status{};
  REQUIRE(stat((place.path / "logs/ex260305.log").c_str(), &status) == 0);
  CHECK((status.st_mode & 07777 & ~0640U) == 0);
}

TEST_CASE("by size a new file begins when one is full, and the newest is continued") {
  Place place;
  Events events;
  config::VirtualServer server = server_in(place);
  server.protocol_log.rotation = config::LogRotation::size;
  server.protocol_log.size_limit_bytes = 64 * kKiB;
  const std::string long_method(1000, 'X');
  {
    ProtocolLogs logs(events);
    const auto file = logs.of(server);
    for (int i = 0; i < 150; ++i) file->write(line_with(long_method));
  }
  CHECK(place.names() == std::vector<std::string>{"extend1.log", "extend2.log", "extend3.log"});
  {
    ProtocolLogs logs(events);
    logs.of(server)->write(line_with("LAST"));
  }
  CHECK(place.names().size() == 3);
  CHECK(place.text("extend3.log").ends_with("\nLAST\n"));
}

TEST_CASE("a reload that changes the fields says so in the file") {
  Place place;
  Events events;
  config::VirtualServer server = server_in(place);
  {
    ProtocolLogs logs(events);
    logs.of(server)->write(line_with("EHLO"));
    usleep(600'000);  // the writer has taken it
    server.protocol_log.fields = {"sc-status", "cs-method"};
    logs.of(server)->write(line_with("QUIT"));
  }
  const std::string text = place.text("ex260305.log");
  CHECK(text.contains("#Fields: cs-method\nEHLO\n"));
  CHECK(text.ends_with("#Fields: sc-status cs-method\n0 QUIT\n"));
}

TEST_CASE("old files of ours go when a new one begins, others stay") {
  Place place;
  Events events;
  fs::create_directories(place.path / "logs");
  for (const std::string name : {"ex260101.log", "notes.txt", "example.log.gz"}) {
    std::ofstream(place.path / "logs" / name) << "old";
    fs::last_write_time(place.path / "logs" / name,
                        fs::file_time_type::clock::now() - std::chrono::hours(24 * 100));
  }
  {
    ProtocolLogs logs(events);
    logs.of(server_in(place))->write(line_with("EHLO"));
  }
  CHECK(place.names() == std::vector<std::string>{"ex260305.log", "example.log.gz", "notes.txt"});
}

TEST_CASE("a directory that cannot be made is said once, and nothing waits for it") {
  Place place;
  Events events;
  std::ofstream(place.path / "logs") << "a file is in the way";
  {
    ProtocolLogs logs(events);
    const auto file = logs.of(server_in(place));
    for (int i = 0; i < 100'000; ++i) file->write(line_with("EHLO"));
  }
  CHECK(events.names == std::vector<std::string>{"protocol_log"});
}

TEST_CASE("a symbolic link in the file's place is not followed") {
  Place place;
  Events events;
  fs::create_directories(place.path / "logs");
  std::ofstream(place.path / "victim") << "untouched";
  fs::create_symlink(place.path / "victim", place.path / "logs/ex260305.log");
  {
    ProtocolLogs logs(events);
    logs.of(server_in(place))->write(line_with("EHLO"));
  }
  std::ifstream victim(place.path / "victim");
  std::string text;
  std::getline(victim, text);
  CHECK(text == "untouched");
  CHECK(events.names == std::vector<std::string>{"protocol_log"});
}
