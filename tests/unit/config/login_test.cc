// Logins at next hops: presets, what they imply, what is wrong, and passwords from files.
#include <doctest/doctest.h>
#include <sys/stat.h>

#include <fstream>

#include "instance.h"
#include "mailroot/config/describe.h"
#include "mailroot/config/secret_file.h"
#include "scalars.h"

namespace mailroot::config {

namespace {

VirtualServer with_delivery(const std::string& text) {
  return server_from(std::string(kBindings) + "delivery:\n" + text);
}

std::string problems_with(const std::string& text) {
  std::string all;
  for (const auto& problem : problems_of_server(std::string(kBindings) + "delivery:\n" + text))
    all += problem + "\n";
  return all;
}

const std::string kApp = "oauth: { client_id: app, client_secret_file: /s }";

}  // namespace

TEST_CASE("a smart host in three lines") {
  const VirtualServer server = with_delivery(
      "  smart_host: [microsoft365]\n"
      "  security: { username: printer@contoso.com, " +
      kApp + " }\n");
  REQUIRE(server.delivery.smart_host.size() == 1);
  const SmartHost& host = server.delivery.smart_host[0];
  CHECK(host.host == "smtp.office365.com");
  CHECK(host.is_literal);
  CHECK(host.port == 587);
  CHECK(host.to_string() == "microsoft365");
  const Login& login = server.delivery.login;
  CHECK(login.method == LoginMethod::oauth2);
  CHECK(login.oauth.grant == OAuthGrant::client_credentials);
  CHECK(login.oauth.token_url == "https://login.microsoftonline.com/contoso.com/oauth2/v2.0/token");
  CHECK(login.oauth.device_url ==
        "https://login.microsoftonline.com/contoso.com/oauth2/v2.0/devicecode");
  CHECK(login.oauth.scope == "https://outlook.office365.com/.default");
}

TEST_CASE("what is written wins over the preset") {
  const VirtualServer server = with_delivery(
      "  smart_host: [microsoft365]\n"
      "  security: { username: a@b.example, authentication: plain, password_file: /p }\n");
  CHECK(server.delivery.login.method == LoginMethod::plain);
  const VirtualServer by_password = with_delivery(
      "  smart_host: [google]\n  security: { username: a@b.example, password_file: /p }\n");
  CHECK(by_password.delivery.login.method == LoginMethod::automatic);
  const VirtualServer none =
      with_delivery("  smart_host: [google]\n  security: { authentication: none }\n");
  CHECK(none.delivery.login.method == LoginMethod::none);
  const VirtualServer tenant = with_delivery(
      "  smart_host: [microsoft365]\n"
      "  security: { username: a@b.example, oauth: { tenant: other, scope: s, client_id: app,"
      " client_secret_file: /s } }\n");
  CHECK(tenant.delivery.login.oauth.token_url ==
        "https://login.microsoftonline.com/other/oauth2/v2.0/token");
  CHECK(tenant.delivery.login.oauth.scope == "s");
}

TEST_CASE("the files say which grant it is") {
  const VirtualServer refresh = with_delivery(
      "  smart_host: [microsoft365]\n  security: { username: a@b.example,"
      " oauth: { client_id: app, refresh_token_file: /r } }\n");
  CHECK(refresh.delivery.login.oauth.grant == OAuthGrant::refresh_token);
  CHECK(refresh.delivery.login.oauth.scope ==
        "https://outlook.office.com/SMTP.Send offline_access");
  const VirtualServer account = with_delivery(
      "  smart_host: [google]\n  security: { username: a@b.example,"
      " oauth: { service_account_file: /a.json } }\n");
  CHECK(account.delivery.login.oauth.grant == OAuthGrant::service_account);
  CHECK(account.delivery.login.oauth.token_url == "https://oauth2.googleapis.com/token");
  CHECK(account.delivery.login.oauth.scope == "https://mail.google.com/");
}

TEST_CASE("the providers and their regions") {
  const auto host_of = [](const char* text) {
    const auto host = parse_smart_host(text);
    return host ? host->host + ":" + std::to_string(host->port.value_or(0)) : "none";
  };
  CHECK(host_of("google") == "smtp.gmail.com:587");
  CHECK(host_of("amazon-ses:eu-west-1") == "email-smtp.eu-west-1.amazonaws.com:587");
  CHECK(host_of("sendgrid") == "smtp.sendgrid.net:587");
  CHECK(host_of("sendgrid:eu") == "smtp.eu.sendgrid.net:587");
  CHECK(host_of("mailgun") == "smtp.mailgun.org:587");
  CHECK(host_of("mailgun:eu") == "smtp.eu.mailgun.org:587");
  CHECK(host_of("amazon-ses:EU") == "none");
  CHECK(host_of("amazon-ses:a.b") == "none");
  CHECK(host_of("google:eu") == "none");
  // In brackets it is a host of that name.
  CHECK(host_of("[google]") == "google:0");
  const VirtualServer server =
      with_delivery("  smart_host: [sendgrid]\n  security: { password_file: /p }\n");
  CHECK(server.delivery.login.username == "apikey");
  CHECK(
      problems_with("  smart_host: [google, relay.example]\n  security: { authentication: none }\n")
          .contains("stands alone"));
}

TEST_CASE("the effective configuration reads back the same") {
  const VirtualServer server = with_delivery(
      "  smart_host: [microsoft365]\n  security: { username: a@b.example, " + kApp + " }\n");
  const VirtualServer again = server_from(render_effective(server));
  CHECK(again.delivery.login == server.delivery.login);
  CHECK(again.delivery.smart_host == server.delivery.smart_host);
}

TEST_CASE("a domain has a login and TLS of its own, also in the effective configuration") {
  const VirtualServer server =
      server_from(std::string(kBindings) +
                  "domains:\n"
                  "  - { name: a.example, type: remote, smart_host: [mailgun], queue_for: etrn,\n"
                  "      security: { username: u, password_file: /p } }\n"
                  "  - { name: b.example, type: remote, smart_host: [microsoft365],\n"
                  "      security: { username: p@b.example, ca: /ca, oauth: { client_id: c,\n"
                  "        certificate: /c, key: /k } } }\n"
                  "  - { name: c.example, type: remote }\n");
  REQUIRE(server.domains.size() == 3);
  CHECK(server.domains[0].login.method == LoginMethod::automatic);
  CHECK(server.domains[0].security.tls == OutboundTls::verified);
  CHECK(server.domains[1].login.oauth.token_url ==
        "https://login.microsoftonline.com/b.example/oauth2/v2.0/token");
  CHECK(server.domains[2].login == Login{});
  CHECK(server.delivery.login == Login{});
  const VirtualServer again = server_from(render_effective(server));
  REQUIRE(again.domains.size() == 3);
  for (size_t i = 0; i < 3; ++i) {
    CAPTURE(i);
    CHECK(again.domains[i].login == server.domains[i].login);
    CHECK(again.domains[i].security == server.domains[i].security);
    CHECK(again.domains[i].queue_for == server.domains[i].queue_for);
  }
  std::string all;
  for (const auto& problem : problems_of_server(
           std::string(kBindings) +
           "domains: [{ name: a.example, type: remote, security: { authentication: plain } }]\n"))
    all += problem + "\n";
  CHECK(all.contains("domains[0].security.authentication: needs domains[0].security.username"));
}

TEST_CASE("what is missing is said") {
  CHECK(problems_with("  security: { authentication: plain }\n") ==
        "a.yaml:3:31: delivery.security.authentication: needs delivery.security.password_file "
        "beside it, which names the file with the password\n"
        "a.yaml:3:31: delivery.security.authentication: needs delivery.security.username beside "
        "it, which says who logs in\n");
  const std::string oauth = "  security: { authentication: oauth2, username: a, oauth: ";
  CHECK(problems_with(oauth + "{ tenant: t, client_id: c } }\n").contains("one of the two"));
  CHECK(problems_with(oauth + "{ tenant: t, client_id: c, client_secret_file: /s, certificate: /c,"
                              " key: /k } }\n")
            .contains("one of the two"));
  CHECK(problems_with(oauth + "{ tenant: 'a b', client_id: c, client_secret_file: /s } }\n")
            .contains("neither an id nor a domain"));
  CHECK(problems_with(oauth + "{ grant: refresh-token, tenant: t, client_id: c } }\n")
            .contains("mailrootctl oauth login writes"));
  CHECK(problems_with(oauth + "{ grant: service-account } }\n").contains("Google makes"));
  // The value of a key that does not exist is not repeated: it may be a password.
  const std::string unknown = problems_with("  security: { password: hunter2 }\n");
  CHECK(unknown.contains("unknown key"));
  CHECK_FALSE(unknown.contains("hunter2"));
}

TEST_CASE("passwords come from files, with what is wrong about them") {
  Instance instance;
  instance.write("mailroot.yaml", "service: {}\n");
  instance.write("virtual-servers.d/a.yaml", std::string(kBindings) +
                                                 "delivery:\n  smart_host: [relay.example]\n"
                                                 "  security: { authentication: plain, username: "
                                                 "u, password_file: ../p, tls: verified }\n");
  const auto login = [&] { return instance.loaded().servers[0]->delivery.login; };
  CHECK(login().problem.contains("cannot be read: No such file or directory"));
  instance.write("p", "s3cret\n");
  ::chmod(instance.path("p").c_str(), 0600);
  const Login first = login();
  CHECK(first.problem.empty());
  CHECK(first.password.reveal() == "s3cret");
  CHECK(instance.loaded().warnings.empty());
  const std::string digest = instance.loaded().servers[0]->content_digest;
  CHECK(digest == instance.loaded().servers[0]->content_digest);
  instance.write("p", "another\r\n");
  CHECK(login().password.reveal() == "another");
  CHECK(digest != instance.loaded().servers[0]->content_digest);
  ::chmod(instance.path("p").c_str(), 0644);
  REQUIRE(instance.loaded().warnings.size() == 1);
  CHECK(instance.loaded().warnings[0].contains("can be read by everybody (mode 0644)"));
  for (const auto& [text, why] : {std::pair<std::string, const char*>{"", "is empty"},
                                  {"\n", "is empty"},
                                  {"a\nb\n", "more than one line"},
                                  {std::string("a\0b", 3), "control characters"},
                                  {std::string(70'000, 'x'), "is larger than"}}) {
    CAPTURE(why);
    instance.write("p", text);
    CHECK(login().problem.contains(why));
    CHECK(login().password.empty());
  }
  std::filesystem::remove(instance.path("p"));
  ::mkfifo(instance.path("p").c_str(), 0600);
  CHECK(login().problem.contains("is no regular file"));
}

TEST_CASE("a secret file is replaced in one step") {
  Instance instance;
  const std::string path = instance.path("secret");
  CHECK(replace_secret_file(path, "one\n").empty());
  CHECK(read_secret_line(path)->reveal() == "one");
  struct stat status{};
  ::stat(path.c_str(), &status);
  CHECK((status.st_mode & 0777) == 0600);
  ::chmod(path.c_str(), 0640);
  CHECK(replace_secret_file(path, "two\n").empty());
  ::stat(path.c_str(), &status);
  CHECK((status.st_mode & 0777) == 0640);
  CHECK(read_secret_line(path)->reveal() == "two");
  CHECK(replace_secret_file(instance.path("missing/secret"), "x").contains("cannot be written"));
  size_t files = 0;
  for ([[maybe_unused]] const auto& entry :
       std::filesystem::directory_iterator(std::filesystem::path(path).parent_path())) {
    ++files;
  }
  CHECK(files <= 2);  // nothing temporary is left (virtual-servers.d may be there)
}

}  // namespace mailroot::config
