// What systemd hears, at a socket in the file system and at an abstract one; and environments that
// are wrong.
#include "service_manager.h"

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

using namespace mailroot;
using namespace std::chrono_literals;

namespace {

// The variables that systemd sets, gone with the test.
struct Environment {
  Environment() { clear(); }
  ~Environment() { clear(); }
  static void clear() {
    for (const char* name : {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"}) unsetenv(name);
  }
  static void set(const char* name, const std::string& value) { setenv(name, value.c_str(), 1); }
};

struct FakeSystemd {
  explicit FakeSystemd(const std::string& name) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, name.data(), name.size());
    const bool abstract = name.starts_with('@');
    if (abstract) address.sun_path[0] = '\0';
    const auto length =
        static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size() + (abstract ? 0 : 1));
    socket = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    REQUIRE(::bind(socket, reinterpret_cast<const sockaddr*>(&address), length) == 0);
    Environment::set("NOTIFY_SOCKET", name);
    if (!abstract) path = name;
  }
  ~FakeSystemd() {
    ::close(socket);
    if (!path.empty()) ::unlink(path.c_str());
  }
  FakeSystemd(const FakeSystemd&) = delete;
  FakeSystemd& operator=(const FakeSystemd&) = delete;

  // The next datagram; empty when there is none.
  std::string next() const {
    char buffer[4096];
    const ssize_t size = ::recv(socket, buffer, sizeof buffer, 0);
    return size < 0 ? std::string() : std::string(buffer, static_cast<size_t>(size));
  }

  int socket = -1;
  std::string path;
};

std::string own_name(const std::string& prefix) {
  return prefix + "mailroot-notify-test." + std::to_string(::getpid());
}

server::ServerView view(const std::string& id, server::State state, const std::string& reason) {
  server::ServerView out;
  out.id = id;
  out.state = state;
  out.reason = reason;
  if (state == server::State::started) out.listening.emplace_back("192.0.2.1:25");
  return out;
}

}  // namespace

TEST_CASE("without a service manager nothing is sent and nothing fails") {
  const Environment environment;
  const ServiceManager manager;
  CHECK_FALSE(manager.is_there());
  CHECK_FALSE(manager.watchdog());
  CHECK(manager.ready("x"));
  CHECK(manager.reloading());
  CHECK(manager.alive());
  CHECK(manager.stopping());
  Environment::set("NOTIFY_SOCKET", "");
  CHECK_FALSE(ServiceManager().is_there());
}

TEST_CASE("each state arrives at a socket in the file system and at an abstract one") {
  const Environment environment;
  for (const std::string& name : {own_name("/tmp/"), own_name("@")}) {
    CAPTURE(name);
    const FakeSystemd systemd(name);
    const ServiceManager manager;
    CHECK(manager.is_there());
    CHECK(manager.ready("1 of 1"));
    CHECK(systemd.next() == "READY=1\nSTATUS=1 of 1");
    CHECK(manager.reloading());
    const std::string reloading = systemd.next();
    CHECK(reloading.starts_with("RELOADING=1\nMONOTONIC_USEC="));
    CHECK(std::stoull(reloading.substr(std::strlen("RELOADING=1\nMONOTONIC_USEC="))) > 0);
    CHECK(manager.status("busy"));
    CHECK(systemd.next() == "STATUS=busy");
    CHECK(manager.stopping());
    CHECK(systemd.next().starts_with("STOPPING=1\nSTATUS="));
    CHECK(systemd.next().empty());
  }
}

TEST_CASE("a watchdog is fed only where one waits for this process") {
  const Environment environment;
  const FakeSystemd systemd(own_name("@"));
  SUBCASE("none") {
    const ServiceManager manager;
    CHECK(manager.alive());
    CHECK(systemd.next().empty());
    CHECK(manager.interval() == 10s);
  }
  SUBCASE("ours") {
    Environment::set("WATCHDOG_USEC", "2000000");
    Environment::set("WATCHDOG_PID", std::to_string(::getpid()));
    const ServiceManager manager;
    CHECK(manager.watchdog() == 2s);
    CHECK(manager.interval() == 500ms);
    CHECK(manager.alive());
    CHECK(systemd.next() == "WATCHDOG=1");
  }
  SUBCASE("a parent's") {
    Environment::set("WATCHDOG_USEC", "2000000");
    Environment::set("WATCHDOG_PID", "1");
    CHECK_FALSE(ServiceManager().watchdog());
  }
  SUBCASE("nonsense") {
    for (const char* value : {"", "0", "-5", "soon", "18446744073709551615"}) {
      CAPTURE(value);
      Environment::set("WATCHDOG_USEC", value);
      CHECK_FALSE(ServiceManager().watchdog());
    }
  }
  SUBCASE("very long and very short") {
    Environment::set("WATCHDOG_USEC", "3600000000");
    CHECK(ServiceManager().interval() == 10s);
    Environment::set("WATCHDOG_USEC", "1");
    CHECK(ServiceManager().interval() == 10ms);
  }
}

TEST_CASE("a status cannot say more than a status") {
  const Environment environment;
  const FakeSystemd systemd(own_name("@"));
  const ServiceManager manager;
  CHECK(manager.status("a\nSTOPPING=1\r\nMAINPID=1"));
  CHECK(systemd.next() == "STATUS=a STOPPING=1  MAINPID=1");
  CHECK(manager.status(std::string(100'000, 'x')));
  CHECK(systemd.next() == "STATUS=" + std::string(1000, 'x'));
}

TEST_CASE("a service manager that cannot be reached is an answer") {
  const Environment environment;
  for (const char* name :
       {"/tmp/mailroot-nobody-is-here", "@mailroot-nobody-is-here", "relative", "/tmp"}) {
    CAPTURE(name);
    Environment::set("NOTIFY_SOCKET", name);
    const ServiceManager manager;
    CHECK(manager.is_there());
    errno = 0;
    CHECK_FALSE(manager.ready("x"));
    CHECK(errno != 0);
    CHECK_FALSE(manager.stopping());
  }
}

TEST_CASE("the status line counts, and names who is stopped and what was refused") {
  CHECK(status_line({}, "") ==
        "0 of 0 virtual servers listening, 0 connections, 0 messages queued");
  auto first = view("a", server::State::started, "");
  first.connections_open = 3;
  first.queue.messages = 7;
  auto second = view("b", server::State::stopped, "port 25 is taken");
  auto third = view("c", server::State::stopped, "no home");
  third.queue.messages = 1;
  CHECK(status_line({first, second, third}, "default.yaml:3: unknown key") ==
        "1 of 3 virtual servers listening, 3 connections, 8 messages queued; b: port 25 is taken; "
        "reload refused: default.yaml:3: unknown key");
  // Started, but at no address yet: it does not listen.
  auto waiting = view("d", server::State::started, "");
  waiting.listening.clear();
  CHECK(status_line({waiting}, "").starts_with("0 of 1"));
  // Stopped by its administrator: counted, no reason to complain.
  CHECK(status_line({first, view("e", server::State::stopped, "")}, "") ==
        "1 of 2 virtual servers listening, 3 connections, 7 messages queued");
}
