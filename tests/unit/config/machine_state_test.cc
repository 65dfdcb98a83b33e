// What the machine says about a configuration: listeners, addresses, directories.
#include "mailroot/config/machine_state.h"

#include <doctest/doctest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "instance.h"

namespace mailroot::config {

namespace {

// A socket that listens at a port the kernel chose.
class Listener {
 public:
  explicit Listener(const char* address, bool v6_only = true) {
    const IpAddress ip = *IpAddress::parse(address);
    const bool six = ip.family() == IpFamily::v6;
    socket_ = ::socket(six ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    REQUIRE(socket_ >= 0);
    const int only = v6_only ? 1 : 0;
    if (six) setsockopt(socket_, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof only);
    sockaddr_storage storage{};
    auto* const generic = reinterpret_cast<sockaddr*>(&storage);
    socklen_t length = SocketAddress{ip, 0}.to_sockaddr(generic);
    usable_ = ::bind(socket_, generic, length) == 0 && ::listen(socket_, 1) == 0;
    length = sizeof storage;
    if (usable_) getsockname(socket_, generic, &length);
    if (usable_) port_ = SocketAddress::from_sockaddr(generic).port;
  }
  ~Listener() { ::close(socket_); }
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;
  uint16_t port() const { return port_; }
  bool usable() const { return usable_; }

 private:
  int socket_ = -1;
  uint16_t port_ = 0;
  bool usable_ = false;
};

BindingKey key(const char* address, uint16_t port) { return {IpAddress::parse(address), port}; }

std::string server_text(const std::string& home, uint16_t port) {
  return "bindings: [{ address: 127.0.0.1, port: " + std::to_string(port) +
         " }]\nhome_directory: " + home + "\n";
}

}  // namespace

TEST_CASE("of several listeners the same one is named, whoever looks and in whatever order") {
  const SocketAddress address{*IpAddress::parse("127.0.0.1"), 25};
  const ListeningSocket older{address, IpFamily::v4, 4};
  const ListeningSocket younger{address, IpFamily::v4, 6};
  const ListeningSocket elsewhere{{*IpAddress::parse("127.0.0.2"), 25}, IpFamily::v4, 1};
  for (const auto& seen : {std::vector{younger, older, elsewhere}, {older, elsewhere, younger}}) {
    const auto found = listener_in_the_way(key("127.0.0.1", 25), seen);
    REQUIRE(found.has_value());
    CHECK(found->inode == 4);
  }
  CHECK(!listener_in_the_way(key("127.0.0.3", 25), {older, younger}).has_value());
}

TEST_CASE("a port of another program is found, and the program named") {
  const Listener foreign("127.0.0.1");
  const MachineState state = look_at_machine("/nonexistent/control.sock");
  const std::string why = why_not_listen(key("127.0.0.1", foreign.port()), state);
  CHECK(why.contains("127.0.0.1 is in use by config_test (process "));
  CHECK(why_not_listen(key("127.0.0.2", foreign.port()), state).empty());
  // All unassigned takes every address: a specific listener of somebody else is in its way.
  CHECK(why_not_listen({std::nullopt, foreign.port()}, state).contains("in use"));
}

TEST_CASE("a listener at every address is in the way of each") {
  const Listener foreign("0.0.0.0");
  const MachineState state = look_at_machine("/nonexistent/control.sock");
  CHECK(why_not_listen(key("127.0.0.5", foreign.port()), state).contains("0.0.0.0 is in use"));
  CHECK(why_not_listen(key("::1", foreign.port()), state).empty());
}

TEST_CASE("[::] is in the way of IPv4 when it takes IPv4") {
  for (const bool v6_only : {true, false}) {
    const Listener foreign("::", v6_only);
    if (!foreign.usable()) return;  // a machine without IPv6
    const MachineState state = look_at_machine("/nonexistent/control.sock");
    CHECK(why_not_listen(key("::1", foreign.port()), state).contains("in use"));
    CHECK(why_not_listen(key("127.0.0.1", foreign.port()), state).empty() == v6_only);
    CHECK(why_not_listen({std::nullopt, foreign.port()}, state).contains("in use"));
  }
}

TEST_CASE("addresses of this machine") {
  const auto addresses = interface_addresses();
  CHECK(is_local(*IpAddress::parse("127.77.0.1"), addresses));
  CHECK_FALSE(is_local(*IpAddress::parse("192.0.2.77"), addresses));
  MachineState state;
  CHECK(why_not_listen(key("192.0.2.77", 25), state) ==
        "address 192.0.2.77 is not on this machine");
  state.takes_foreign_addresses = true;
  CHECK(why_not_listen(key("192.0.2.77", 25), state).empty());
}

TEST_CASE("no daemon answers where none is") {
  CHECK_FALSE(find_daemon("/nonexistent/control.sock").has_value());
  CHECK_FALSE(find_daemon(std::string(200, 'x')).has_value());
}

TEST_CASE("directories that can be a home, and those that cannot") {
  Instance instance;
  const User me{geteuid(), getegid()}, other{12345, 12345};
  const std::string top = instance.path("");
  ::chmod(top.c_str(), 0755);
  CHECK(why_no_home(instance.path("new/deep"), me).empty());
  CHECK(why_no_home(instance.path("new/deep"), other) ==
        "it does not exist, and user 12345 may not make it in " +
            instance.path("virtual-servers.d")
                .substr(0, instance.path("virtual-servers.d").rfind('/')));
  instance.write("file", "");
  CHECK(why_no_home(instance.path("file"), me) == instance.path("file") + " is not a directory");
  CHECK(why_no_home(instance.path("file/x"), me) == instance.path("file") + " is not a directory");
  std::filesystem::create_directory(instance.path("open"));
  ::chmod(instance.path("open").c_str(), 0777);
  CHECK(why_no_home(instance.path("open"), me).contains("may be written by everybody"));
  std::filesystem::create_directory(instance.path("shut"));
  ::chmod(instance.path("shut").c_str(), 0700);
  CHECK(why_no_home(instance.path("shut"), me).empty());
  CHECK(why_no_home(instance.path("shut"), other).contains("may not enter"));
  CHECK(why_no_home("/proc/x", {1, 1}).contains("may not"));
  std::filesystem::create_directory_symlink(instance.path("shut"), instance.path("link"));
  CHECK(why_no_home(instance.path("link"), me) ==
        instance.path("link") + " is a symbolic link; name the directory it leads to, " +
            instance.path("shut"));
  CHECK(why_no_home(instance.path("link/inner"), me).empty());
}

TEST_CASE("homes through links are one, and inside each other") {
  Instance instance;
  std::filesystem::create_directories(instance.path("real/inner"));
  std::filesystem::create_symlink(instance.path("real"), instance.path("link"));
  std::filesystem::create_symlink(instance.path("real/inner"), instance.path("deep"));
  instance.write("mailroot.yaml", "")
      .write("virtual-servers.d/a.yaml", server_text("../real", 2525))
      .write("virtual-servers.d/b.yaml", server_text("../link", 2526))
      .write("virtual-servers.d/c.yaml", server_text("../deep/new", 2527))
      .write("virtual-servers.d/d.yaml", server_text("../elsewhere", 2528));
  const ConfigSnapshot snapshot = instance.loaded();
  auto shared = shared_homes(snapshot, {});
  CHECK(shared.size() == 2);
  CHECK(shared["b"].contains(" of a ("));
  CHECK(shared["c"].contains("/deep/new of virtual server c ("));
  CHECK(shared["c"].contains(" of a ("));
  // Whoever runs there has it.
  shared = shared_homes(snapshot, {"c"});
  CHECK(shared.size() == 2);
  CHECK(shared.contains("a"));
  CHECK(shared.contains("b"));
  CHECK(server_with_home(snapshot, instance.path("elsewhere/sub"), "") == "d");
  CHECK(server_with_home(snapshot, instance.path("elsewhere/sub"), "d").empty());
  CHECK(server_with_home(snapshot, "/", "") == "a");
  CHECK(instance.check().exit_code == 2);
}

TEST_CASE("check here: ports and directories, with the place of the binding") {
  const Listener foreign("127.0.0.1");
  Instance instance;
  instance.write("mailroot.yaml", "service: { control_socket: none.sock }\n")
      .write("virtual-servers.d/a.yaml", server_text("../a", foreign.port()))
      .write("virtual-servers.d/b.yaml", server_text("../mailroot.yaml", 1));
  CHECK(instance.check().exit_code == 0);
  const CheckResult result = check_here(instance.service_file(), test_machine());
  CHECK(result.exit_code == 2);
  REQUIRE(result.findings.size() == 2);
  CHECK(result.findings[0].to_string().contains(
      "a.yaml:1:12: virtual server a cannot start: bindings: 127.0.0.1:"));
  CHECK(result.findings[1].text.ends_with("mailroot.yaml is not a directory"));
}

TEST_CASE("files that are not as they are on the disk") {
  Instance instance;
  instance.write("mailroot.yaml", "").write("virtual-servers.d/a.yaml", server_text("../a", 1));
  LoadOptions options = test_machine();
  options.instead[instance.path("virtual-servers.d/b.yaml")] = server_text("../b", 2);
  auto snapshot = load(instance.service_file(), options);
  REQUIRE(snapshot);
  CHECK(snapshot->servers.size() == 2);
  options.instead[instance.path("virtual-servers.d/a.yaml")] = std::nullopt;
  options.instead[instance.path("virtual-servers.d/c.txt")] = "no server";
  snapshot = load(instance.service_file(), options);
  REQUIRE(snapshot);
  REQUIRE(snapshot->servers.size() == 1);
  CHECK(snapshot->servers.front()->id == "b");
  options.instead[instance.path("virtual-servers.d/b.yaml")] = "nme: x\n";
  snapshot = load(instance.service_file(), options);
  REQUIRE_FALSE(snapshot);
  CHECK(snapshot.error().front().to_string().contains("virtual-servers.d/b.yaml:1:1: "));
}

}  // namespace mailroot::config
