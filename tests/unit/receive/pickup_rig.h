// A PickupReader over real directories and a spool in memory.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "fakes.h"
#include "mailroot/receive/pickup.h"
#include "mailroot/spool/home.h"

namespace mailroot::receive::test {

inline constexpr std::string_view kPlain =
    "X-Sender: app@example.com\r\n"
    "X-Receiver: ann@example.net\r\n"
    "From: app@example.com\r\n"
    "Subject: hi\r\n"
    "\r\n"
    "hello\r\n";

struct PickupRig {
  Reactor& reactor;
  FakeService service;
  spool::Home home;
  std::string root = "/tmp/mailroot-pickup-XXXXXX";
  std::unique_ptr<PickupReader> reader;
  reactor::CancelScope scope{nullptr};
  reactor::TaskGroup group;

  explicit PickupRig(Reactor& own_reactor) : reactor(own_reactor), service(own_reactor) {
    REQUIRE(mkdtemp(root.data()) != nullptr);
    home.pickup = open_maildir("Pickup");
    home.badmail = open_maildir("Badmail");
    home.queue = open_maildir("Queue");
    reader = std::make_unique<PickupReader>(reactor, service, home);
  }
  ~PickupRig() {
    for (const spool::Maildir& maildir : {home.pickup, home.badmail, home.queue}) {
      for (const int fd : {maildir.top, maildir.temporary, maildir.fresh, maildir.current}) {
        ::close(fd);
      }
    }
    std::filesystem::remove_all(root);
  }

  void start() { group.spawn(reader->run(scope)); }
  task<void> stop() {
    scope.cancel();
    co_await group.join();
  }

  std::string path(std::string_view name) const { return root + "/" + std::string(name); }
  // Written in place, long ago: complete.
  void write(std::string_view name, std::string_view text) const {
    std::ofstream(path(name), std::ios::binary) << text;
    age(name, 60);
  }
  void age(std::string_view name, int seconds_ago) const {
    const timespec when{::time(nullptr) - seconds_ago, 0};
    const timespec times[2] = {when, when};
    REQUIRE(::utimensat(AT_FDCWD, path(name).c_str(), times, AT_SYMLINK_NOFOLLOW) == 0);
  }
  std::string read(std::string_view name) const {
    std::ifstream file(path(name), std::ios::binary);
    std::ostringstream out;
    out << file.rdbuf();
    return out.str();
  }
  std::set<std::string> list(std::string_view directory) const {
    std::set<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(path(directory))) {
      if (!entry.is_directory() || entry.is_symlink()) names.insert(entry.path().filename());
    }
    return names;
  }
  // What lies in Pickup/cur, by the names its writers gave it.
  std::set<std::string> claimed() const {
    std::set<std::string> names;
    for (const std::string& entry : list("Pickup/cur")) {
      REQUIRE(parse_queue_id(entry.substr(0, kQueueIdLength)));
      names.insert(entry.substr(kQueueIdLength + 1));
    }
    return names;
  }
  size_t files_left() const {
    return list("Pickup").size() + list("Pickup/new").size() + list("Pickup/cur").size();
  }
  std::vector<Stored>& stored() { return service.fake_spool().stored; }

  task<void> pause(int ms) {
    co_await reactor.sleep_until(reactor.now() + std::chrono::milliseconds(ms), {});
  }
  // Until Pickup is empty; false after ten seconds.
  task<bool> until_empty() {
    for (int i = 0; i < 2000; ++i) {
      if (files_left() == 0) co_return true;
      co_await pause(5);
    }
    co_return false;
  }
  // Until the log has a line with `part`; false after ten seconds.
  task<bool> until_told(std::string part) {
    for (int i = 0; i < 2000; ++i) {
      if (service.sink.count(part) > 0) co_return true;
      co_await pause(5);
    }
    co_return false;
  }

 private:
  spool::Maildir open_maildir(const std::string& name) const {
    std::array<int, 4> opened{};
    size_t at = 0;
    for (const char* const sub : {"", "/tmp", "/new", "/cur"}) {
      const std::string directory = path(name) + sub;
      std::filesystem::create_directory(directory);
      opened[at] = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
      REQUIRE(opened[at++] >= 0);
    }
    return {opened[0], opened[1], opened[2], opened[3]};
  }
};

// Content without the trace and the completed fields on top.
inline std::string below(const std::string& content, std::string_view first) {
  const size_t at = content.find(first);
  return at == std::string::npos ? "" : content.substr(at);
}

}  // namespace mailroot::receive::test
