// access.authentication: keys, the users file, and what is wrong with it.
#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>

#include "mailroot/config/load.h"

using namespace mailroot;
using namespace mailroot::config;

namespace {

constexpr const char* kKeys =
    "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"
    "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";

class Files {
 public:
  Files() {
    std::string name = (std::filesystem::temp_directory_path() / "mailroot-users-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    top_ = name;
    std::filesystem::create_directory(top_ / "virtual-servers.d");
    write("mailroot.yaml", "service: { control_socket: c.sock }\n");
  }
  ~Files() { std::filesystem::remove_all(top_); }
  Files(const Files&) = delete;
  Files& operator=(const Files&) = delete;

  std::string path(const std::string& name) const { return (top_ / name).string(); }
  void write(const std::string& name, const std::string& text) const {
    std::ofstream(top_ / name) << text;
    std::filesystem::permissions(top_ / name, std::filesystem::perms(0640));
  }
  void write_server(const std::string& authentication, const std::string& name = "a") const {
    write("virtual-servers.d/" + name + ".yaml",
          "bindings: [{ address: 127.0.0.1, port: 2525 }]\n"
          "home_directory: ../" +
              name + "\naccess:\n  authentication: { " + authentication + " }\n");
  }
  auto load() const {
    return config::load(path("mailroot.yaml"), {.machine = MachineFiles{"host.example", "", ""}});
  }
  std::vector<std::string> problems() const {
    const auto loaded = load();
    REQUIRE_FALSE(loaded.has_value());
    std::vector<std::string> out;
    for (const Problem& problem : loaded.error()) out.push_back(problem.to_string());
    return out;
  }

 private:
  std::filesystem::path top_;
};

}  // namespace

TEST_CASE("defaults: nobody can log in, and only inside TLS") {
  const VirtualServer server;
  const Authentication& settings = server.access.authentication;
  CHECK(settings.anonymous);
  CHECK(settings.require_tls);
  CHECK(settings.users == nullptr);
  CHECK(server.access.relay_authenticated);
  CHECK(Binding{}.authentication == ListenerAuth::tls);
  CHECK(settings.mechanisms.has(sasl::Mechanism::plain));
  CHECK_FALSE(settings.mechanisms.has(sasl::Mechanism::external));
}

TEST_CASE("a users file is read, relative to the file that names it") {
  const Files files;
  files.write("virtual-servers.d/users", std::string("ann:") + kKeys + "\n");
  files.write_server("users: users, mechanisms: [plain, EXTERNAL], require_tls: false");
  const auto loaded = files.load();
  REQUIRE(loaded.has_value());
  const Authentication& settings = loaded->servers[0]->access.authentication;
  REQUIRE(settings.users != nullptr);
  CHECK(settings.users->find("ann") != nullptr);
  CHECK(settings.users_file == files.path("virtual-servers.d/users"));
  CHECK_FALSE(settings.require_tls);
  CHECK(settings.mechanisms.has(sasl::Mechanism::external));
  CHECK_FALSE(settings.mechanisms.has(sasl::Mechanism::login));
  CHECK(startability(*loaded).empty());
}

TEST_CASE("other users are other settings") {
  const Files files;
  files.write("users", std::string("ann:") + kKeys + "\n");
  files.write_server("users: ../users");
  const auto before = files.load();
  const auto same = files.load();
  files.write("users", std::string("bob:") + kKeys + "\n");
  const auto after = files.load();
  REQUIRE((before.has_value() && same.has_value() && after.has_value()));
  CHECK(before->servers[0]->content_digest == same->servers[0]->content_digest);
  CHECK(before->servers[0]->content_digest != after->servers[0]->content_digest);
}

TEST_CASE("bad lines are errors with their place, once for all who share the file") {
  const Files files;
  files.write("users", std::string("# users\nann:") + kKeys + "\nguest:letmein\nbob\n");
  files.write_server("users: ../users");
  files.write_server("users: ../users", "b");
  const auto problems = files.problems();
  REQUIRE(problems.size() == 2);
  CHECK(problems[0].starts_with(files.path("users") + ":3:7: not a hash of crypt(3)"));
  CHECK(problems[1] == files.path("users") + ":4:1: expected name:verifier");
  CHECK_FALSE(problems[0].contains("letmein"));
}

TEST_CASE("a file that cannot be read stops its virtual server, not the others") {
  const Files files;
  files.write_server("users: ../nowhere");
  files.write("virtual-servers.d/b.yaml",
              "bindings: [{ address: 127.0.0.1, port: 2526 }]\nhome_directory: ../b\n");
  const auto loaded = files.load();
  REQUIRE(loaded.has_value());
  const auto findings = startability(*loaded);
  REQUIRE(findings.size() == 1);
  CHECK(findings[0].server == "a");
  CHECK(findings[0].key == "access.authentication.users");
  CHECK(findings[0].text.contains("there is no such file"));
  CHECK(check(files.path("mailroot.yaml"), {.machine = MachineFiles{"h.example", "", ""}})
            .exit_code == 2);
}

TEST_CASE("what may be meant otherwise is warned of") {
  const Files files;
  files.write("users", std::string("ann:") + kKeys + "\n");
  std::filesystem::permissions(files.path("users"), std::filesystem::perms(0644));
  files.write_server("users: ../users");
  auto loaded = files.load();
  REQUIRE(loaded.has_value());
  REQUIRE(loaded->warnings.size() == 1);
  CHECK(loaded->warnings[0].contains("every user of this machine may read"));
  files.write_server("anonymous: false");
  loaded = files.load();
  REQUIRE(loaded.has_value());
  REQUIRE(loaded->warnings.size() == 1);
  CHECK(loaded->warnings[0].contains("no mail is taken"));
}

TEST_CASE("wrong values of the keys") {
  const Files files;
  for (const std::string wrong :
       {"mechanisms: PLAIN", "mechanisms: [CRAM-MD5]", "mechanisms: [XOAUTH2]", "users: []",
        "require_tls: maybe", "anonymous: 1"}) {
    files.write_server(wrong);
    CAPTURE(wrong);
    CHECK(files.problems().size() == 1);
  }
}
