// smarthost test: is everything there for mail to go by the smart host of a virtual server?
#include <fmt/format.h>

#include <chrono>
#include <future>
#include <memory>
#include <nlohmann/json.hpp>

#include "commands.h"
#include "mailroot/http/client.h"
#include "mailroot/oauth/token_source.h"
#include "mailroot/smtp/grammar.h"
#include "mailroot/smtp/reply_advice.h"
#include "name_lookup.h"
#include "site.h"
#include "smarthost_walk.h"
#include "tool_limits.h"

namespace mailroot::ctl {

using nlohmann::ordered_json;

namespace {

struct Arguments {
  std::string server, domain, from;
};

// What a smart host is asked with.
struct Way {
  const config::VirtualServer* server = nullptr;
  const std::vector<config::SmartHost>* hosts = nullptr;
  const config::Login* login = nullptr;
  config::Security security;
};

class Walker {
 public:
  Walker(const Site& site, Way way, std::string from, bool as_json)
      : lookup_(site.snapshot.service),
        proxy_(site.snapshot.service.http_proxy),
        way_(way),
        from_(std::move(from)),
        as_json_(as_json) {}

  // The exit code.
  int run() {
    if (!find_token() || !find_certificates()) return finish();
    for (const config::SmartHost& host : *way_.hosts) {
      say("host", host.to_string());
      try_host(host);
    }
    return finish();
  }

 private:
  void say(const std::string& step, const std::string& text) const {
    if (as_json_) {
      const ordered_json line = {{"step", step}, {"text", text}};
      fmt::print("{}\n", line.dump(-1, ' ', true, ordered_json::error_handler_t::replace));
    } else {
      fmt::print("{:<8} {}\n", step, text);
    }
    std::fflush(stdout);
  }

  bool lack(std::string what) {
    if (!what.empty()) missing_.push_back(std::move(what));
    return missing_.empty();
  }

  int finish() const {
    for (const std::string& what : missing_) say("missing", what);
    if (missing_.empty()) say("ok", "mail can go this way");
    return missing_.empty() ? 0 : kRefused;
  }

  bool find_token() {
    const config::Login& login = *way_.login;
    if (login.method == config::LoginMethod::none) {
      say("login", "none is configured");
      return true;
    }
    if (!login.problem.empty()) return lack(login.problem);
    if (login.method != config::LoginMethod::oauth2) {
      secret_ = login.password;
      return true;
    }
    say("token", "asking " + login.oauth.token_url);
    http::Client client({.proxy = proxy_, .ca_file = {}});
    oauth::TokenSource source(client, oauth::system_clocks(),
                              [this](const std::string& text) { say("warning", text); });
    std::promise<oauth::TokenOutcome> promise;
    auto future = promise.get_future();
    source.get({login.oauth, login.username},
               [&promise](oauth::TokenOutcome outcome) { promise.set_value(std::move(outcome)); });
    oauth::TokenOutcome outcome = future.get();
    if (!outcome) return lack("no token: " + outcome.error().text);
    say("token", "one was given");
    secret_ = std::move(*outcome);
    return true;
  }

  bool find_certificates() {
    if (way_.security.tls == config::OutboundTls::off) {
      say("tls", "off");
      return true;
    }
    auto made = tls::ClientContext::make(way_.security);
    if (!made) return lack(made.error());
    context_ = std::move(*made);
    return true;
  }

  void plan_tls(const config::SmartHost& host, WalkPlan& plan) const {
    constexpr uint16_t kSubmissions = 465;
    if (context_ == nullptr) return;
    const auto handshake = way_.security.handshake;
    plan.context = context_;
    plan.names = {host.host, "." + host.host};
    for (const std::string& name : way_.security.names) plan.names.push_back(name);
    plan.is_implicit =
        handshake == config::OutboundHandshake::implicit ||
        (handshake == config::OutboundHandshake::automatic && plan.address.port == kSubmissions);
    plan.rules.already_tls = plan.is_implicit;
    if (plan.is_implicit) return;
    const bool may_lack = way_.security.tls == config::OutboundTls::opportunistic;
    plan.rules.tls = may_lack ? smtp::ClientTls::opportunistic : smtp::ClientTls::required;
  }

  void try_host(const config::SmartHost& host) {
    const auto addresses =
        host.is_literal ? lookup_.addresses(host.host) : lookup_.mail_hosts(host.host);
    if (!addresses || addresses->empty()) {
      const std::string why = addresses ? "no address" : addresses.error();
      say("dns", why);
      lack(fmt::format("{} is not found by DNS: {}", host.host, why));
      return;
    }
    const SocketAddress address{addresses->front(),
                                host.port.value_or(way_.server->delivery.outbound_port)};
    say("dns", fmt::format("{} is {}", host.host, address.ip.to_string()));
    WalkPlan plan;
    plan.address = address;
    plan.host = host.host;
    plan.sender = from_;
    plan.rules.hello_name = way_.server->fqdn;
    plan_tls(host, plan);
    if (way_.login->method != config::LoginMethod::none) {
      plan.rules.authentication = authentication(host, address);
    }
    const std::string wrong = walk_to(
        plan, [this](const std::string& step, const std::string& text) { say(step, text); });
    if (!wrong.empty()) lack(host.to_string() + ": " + wrong);
  }

  std::shared_ptr<const smtp::ClientAuthentication> authentication(
      const config::SmartHost& host, const SocketAddress& address) const {
    const auto made = std::make_shared<smtp::ClientAuthentication>();
    made->mechanisms = config::mechanisms_of(way_.login->method);
    made->login.username = way_.login->username;
    made->login.secret = secret_;
    made->login.nonce = fmt::format("{:016x}{:016x}", oauth::system_clocks().random(),
                                    oauth::system_clocks().random());
    made->login.host = host.host;
    made->login.port = address.port;
    made->allow_clear = way_.login->allow_clear;
    return made;
  }

  NameLookup lookup_;
  std::string proxy_;
  Way way_;
  std::string from_;
  bool as_json_;
  sasl::Secret secret_;
  std::shared_ptr<const tls::ClientContext> context_;
  std::vector<std::string> missing_;
};

// The failure was told.
std::expected<Way, int> find_way(const Site& site, const Arguments& arguments) {
  Way way;
  for (const auto& server : site.snapshot.servers) {
    if (!arguments.server.empty() || server->delivery.smart_host.empty()) continue;
    way.server = server.get();
    break;
  }
  if (!arguments.server.empty()) {
    way.server = find_or_complain(site, arguments.server);
    if (way.server == nullptr) return std::unexpected(kRefused);
  }
  if (way.server == nullptr) {
    return std::unexpected(complain("no virtual server has a smart host", kRefused));
  }
  way.hosts = &way.server->delivery.smart_host;
  way.login = &way.server->delivery.login;
  way.security = way.server->delivery.security;
  for (const config::Domain& domain : way.server->domains) {
    if (domain.name != arguments.domain) continue;
    way.hosts = &domain.smart_host;
    way.login = &domain.login;
    way.security = config::security_for(*way.server, &domain);
  }
  if (way.hosts->empty()) {
    return std::unexpected(
        complain(fmt::format("virtual server {} has no smart host{}", way.server->id,
                             arguments.domain.empty() ? "" : " for " + arguments.domain),
                 kRefused));
  }
  return way;
}

int test_smarthost(const Settings& settings, const Arguments& arguments) {
  if (!arguments.from.empty() && !smtp::parse_mailbox(arguments.from, {})) {
    return complain("--from is no mail address", kRefused);
  }
  const auto site = open_site(settings);
  if (!site) return site.error();
  const auto way = find_way(*site, arguments);
  if (!way) return way.error();
  std::string from = arguments.from;
  if (from.empty() && smtp::parse_mailbox(way->login->username, {})) from = way->login->username;
  if (from.empty()) from = "postmaster@" + way->server->default_domain;
  return Walker(*site, *way, from, settings.json).run();
}

}  // namespace

void add_smarthost(CLI::App& app, const Settings& settings, int& code) {
  auto* group = app.add_subcommand("smarthost", "smart hosts and logins at them");
  group->require_subcommand(1);
  const auto arguments = std::make_shared<Arguments>();
  auto* command = group->add_subcommand("test",
                                        "walk to a smart host: DNS, connection, TLS, token, login, "
                                        "sender; no mail is sent. Exit code "
                                        "0 nothing is missing, 1 something is");
  command->add_option("server", arguments->server, "virtual server (the first with a smart host)");
  command->add_option("--domain", arguments->domain, "the smart host of this entry of domains");
  command->add_option("--from", arguments->from, "sender to try (the login, else postmaster)");
  command->callback([&settings, &code, arguments] { code = test_smarthost(settings, *arguments); });
}

}  // namespace mailroot::ctl
