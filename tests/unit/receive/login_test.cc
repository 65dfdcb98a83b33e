// AUTH through the driver: users, senders, failures.
#include "limits.h"
#include "mailroot/base/base64.h"
#include "smtp_rig.h"

namespace mailroot::receive::test {

namespace {

std::string plain(std::string_view user, std::string_view password) {
  std::string text(1, '\0');
  text.append(user).append(1, '\0').append(password);
  return "AUTH PLAIN " + encode_base64(text);
}

void use_users(SmtpRig& rig, const std::string& text) {
  auto users = sasl::Users::parse(text);
  REQUIRE(users.has_value());
  config::Authentication& settings = rig.service.values.access.authentication;
  settings.users = std::make_shared<const sasl::Users>(std::move(*users));
  settings.require_tls = false;
}

std::string line(const std::string& name, const std::string& options = "") {
  static const std::string keys =
      to_string(sasl::make_scram_keys("secret", "0123456789abcdef", 4096));
  return name + ":" + keys + (options.empty() ? "" : ":" + options) + "\n";
}

void start(SmtpRig& rig, config::ListenerAuth authentication = config::ListenerAuth::clear) {
  rig.start();
  config::Binding binding;
  binding.port = rig.address.port;
  binding.authentication = authentication;
  rig.service.values.bindings = {binding};
}

task<std::string> hello(Client& client) {
  co_await client.connect();
  co_await client.reply();
  auto answer = co_await client.ask("EHLO client.example.org");
  co_return answer;
}

}  // namespace

TEST_CASE_TEMPLATE("who logs in may relay, and the log says who", World, MAILROOT_KERNEL_WORLDS) {
  run_in<World, SmtpRig>([](SmtpRig& rig) -> task<void> {
    use_users(rig, line("user"));
    start(rig);
    rig.service.recipient_refusal = "550 5.7.1 Unable to relay";
    Client client(rig);
    auto answer = co_await hello(client);
    CHECK(answer.find("AUTH PLAIN LOGIN SCRAM-SHA-256|") != std::string::npos);
    answer = co_await client.ask(plain("user", "secret"));
    CHECK(answer == "235 2.7.0 Authentication successful");
    answer = co_await client.ask("MAIL FROM:<a@example.org>");
    CHECK(answer.starts_with("250"));
    answer = co_await client.ask("RCPT TO:<bob@example.net>");
    CHECK(answer.starts_with("250"));
    answer = co_await client.ask("DATA");
    answer = co_await client.ask("Subject: x\r\n\r\nx\r\n.");
    CHECK(answer.starts_with("250"));
    REQUIRE(rig.spool().stored.size() == 1);
    CHECK(rig.spool().stored[0].content.find("with ESMTPA") != std::string::npos);
    co_await client.ask("QUIT");
    co_await client.finish();
    const bool alone = co_await rig.until_alone();
    REQUIRE(alone);
    CHECK(rig.service.sink.count("authenticated server=default") == 1);
    CHECK(rig.service.sink.count("user=user mechanism=PLAIN") == 1);
    CHECK(rig.service.sink.count("secret") == 0);
    CHECK(rig.service.counters().logins == 1);
  });
}

TEST_CASE_TEMPLATE("what is offered where", World, MAILROOT_KERNEL_WORLDS) {
  run_in<World, SmtpRig>([](SmtpRig& rig) -> task<void> {
    start(rig, config::ListenerAuth::tls);
    use_users(rig, line("user"));
    {
      Client client(rig);
      auto answer = co_await hello(client);
      CHECK(answer.find("AUTH") == std::string::npos);
      answer = co_await client.ask(plain("user", "secret"));
      CHECK(answer.starts_with("538 5.7.11"));
      co_await client.finish();
    }
    rig.service.values.bindings[0].authentication = config::ListenerAuth::off;
    {
      Client client(rig);
      co_await hello(client);
      auto answer = co_await client.ask(plain("user", "secret"));
      CHECK(answer.starts_with("502"));
      co_await client.finish();
    }
    rig.service.values.bindings[0].authentication = config::ListenerAuth::clear;
    rig.service.values.access.authentication.require_tls = true;
    {
      Client client(rig);
      co_await hello(client);
      auto answer = co_await client.ask(plain("user", "secret"));
      CHECK(answer.starts_with("538 5.7.11"));
      co_await client.finish();
    }
    CHECK(rig.service.passwords_checked == 0);
  });
}

TEST_CASE_TEMPLATE("failures are slowed, counted, and end the session", World,
                   MAILROOT_KERNEL_WORLDS) {
  run_in<World, SmtpRig>([](SmtpRig& rig) -> task<void> {
    use_users(rig, line("user") + line("gone", "disabled"));
    start(rig);
    Client client(rig);
    co_await hello(client);
    const Instant began = rig.reactor.now();
    auto answer = co_await client.ask(plain("user", "wrong"));
    CHECK(answer == "535 5.7.8 Authentication credentials invalid");
    answer = co_await client.ask(plain("gone", "secret"));
    CHECK(answer == "535 5.7.8 Authentication credentials invalid");
    answer = co_await client.ask(plain("nobody", "secret"));
    CHECK(answer.starts_with("421 4.7.0 Too many failed logins"));
    answer = co_await client.reply();
    CHECK(answer == "closed");
    CHECK(rig.reactor.now() - began >= kLoginDelayFirst * 7);
    CHECK(rig.service.counters().logins_failed == 3);
    CHECK(rig.service.sink.count("reason=wrong password") == 1);
    CHECK(rig.service.sink.count("reason=the user is disabled") == 1);
    CHECK(rig.service.sink.count("reason=no such user") == 1);
    co_await client.finish();
  });
}

TEST_CASE_TEMPLATE("a ban says until when, and no password is looked at", World,
                   MAILROOT_KERNEL_WORLDS) {
  run_in<World, SmtpRig>([](SmtpRig& rig) -> task<void> {
    use_users(rig, line("user"));
    start(rig);
    for (uint32_t i = 0; i < kLoginFailuresPerAccount; ++i) {
      rig.service.guard.failed(IpAddress::v4(0x0A000000 + i), "user", rig.reactor.now());
    }
    Client client(rig);
    co_await hello(client);
    auto answer = co_await client.ask(plain("user", "secret"));
    CHECK(answer.starts_with("454 4.7.0 Too many failed logins, try again after "));
    for (uint32_t i = 0; i < kLoginFailuresPerAddress; ++i) {
      rig.service.guard.failed(IpAddress::v4(0x7F000001), "", rig.reactor.now());
    }
    answer = co_await client.ask(plain("another", "secret"));
    CHECK(answer.starts_with("421 4.7.0 Too many failed logins, try again after "));
    CHECK(rig.service.passwords_checked == 0);
    co_await client.finish();
  });
}

TEST_CASE_TEMPLATE("too many logins at once", World, MAILROOT_KERNEL_WORLDS) {
  run_in<World, SmtpRig>([](SmtpRig& rig) -> task<void> {
    use_users(rig, line("user"));
    start(rig);
    rig.service.too_many_logins = true;
    Client client(rig);
    co_await hello(client);
    auto answer = co_await client.ask(plain("user", "secret"));
    CHECK(answer.starts_with("454 4.7.0 Too many logins at this moment"));
    rig.service.too_many_logins = false;
    answer = co_await client.ask(plain("user", "secret"));
    CHECK(answer.starts_with("235"));
    CHECK(rig.service.counters().logins_failed == 0);
    co_await client.finish();
  });
}

TEST_CASE_TEMPLATE("senders of a user, and a login that is taken back", World,
                   MAILROOT_KERNEL_WORLDS) {
  run_in<World, SmtpRig>([](SmtpRig& rig) -> task<void> {
    use_users(rig, line("user", "senders=me@example.org"));
    start(rig);
    Client client(rig);
    co_await hello(client);
    co_await client.ask(plain("user", "secret"));
    auto answer = co_await client.ask("MAIL FROM:<you@example.org>");
    CHECK(answer == "553 5.7.1 You may not send as <you@example.org>");
    answer = co_await client.ask("MAIL FROM:<me@example.org>");
    CHECK(answer.starts_with("250"));
    use_users(rig, line("user", "disabled"));
    answer = co_await client.ask("RSET");
    answer = co_await client.ask("MAIL FROM:<me@example.org>");
    CHECK(answer.starts_with("421 4.7.0 Your login is no longer valid"));
    answer = co_await client.reply();
    CHECK(answer == "closed");
    co_await client.finish();
  });
}

TEST_CASE_TEMPLATE("Dovecot knows those who are not in the users file", World,
                   MAILROOT_KERNEL_WORLDS) {
  run_in<World, SmtpRig>([](SmtpRig& rig) -> task<void> {
    use_users(rig, line("user"));
    start(rig);
    rig.service.values.access.authentication.dovecot = "/run/dovecot/auth-client";
    for (const auto& [user, password, code] :
         {std::tuple("user", "secret", "235"), std::tuple("other", "of dovecot", "235"),
          std::tuple("user", "of dovecot", "535"), std::tuple("other", "secret", "535")}) {
      Client client(rig);
      auto answer = co_await hello(client);
      CHECK(answer.find("AUTH PLAIN LOGIN|") != std::string::npos);
      answer = co_await client.ask(plain(user, password));
      CHECK(answer.starts_with(code));
      if (answer.starts_with("235")) {
        answer = co_await client.ask("MAIL FROM:<a@example.org>");
        CHECK(answer.starts_with("250"));
      }
      co_await client.finish();
    }
    CHECK(rig.service.sink.count("reason=refused by Dovecot") == 1);
    rig.service.dovecot_is_away = true;
    Client client(rig);
    co_await hello(client);
    auto answer = co_await client.ask(plain("other", "of dovecot"));
    CHECK(answer.starts_with("454 4.7.0 Temporary authentication failure"));
    CHECK(rig.service.sink.count("auth_unavailable") == 1);
    co_await client.finish();
  });
}

TEST_CASE_TEMPLATE("a session whose users file went away", World, MAILROOT_KERNEL_WORLDS) {
  run_in<World, SmtpRig>([](SmtpRig& rig) -> task<void> {
    use_users(rig, line("user"));
    start(rig);
    Client client(rig);
    co_await hello(client);
    rig.service.values.access.authentication.users = nullptr;
    auto answer = co_await client.ask(plain("user", "secret"));
    CHECK(answer.starts_with("454 4.7.0"));
    co_await client.finish();
  });
}

}  // namespace mailroot::receive::test
