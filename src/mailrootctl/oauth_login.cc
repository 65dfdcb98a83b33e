// oauth login: a refresh token by the device authorization grant (RFC 8628). Somebody logs in by a
// browser on any machine; the token goes into oauth.refresh_token_file.
#include <fmt/format.h>

#include <chrono>
#include <future>
#include <memory>
#include <thread>

#include "commands.h"
#include "mailroot/config/secret_file.h"
#include "mailroot/http/client.h"
#include "mailroot/oauth/token_answer.h"
#include "mailroot/oauth/token_request.h"
#include "site.h"

namespace mailroot::ctl {

namespace {

using std::chrono::seconds;
using std::chrono::steady_clock;

struct Arguments {
  std::string server, domain;
};

http::Outcome post(http::Client& client, http::Request request) {
  std::promise<http::Outcome> promise;
  auto future = promise.get_future();
  client.fetch(std::move(request),
               [&promise](http::Outcome outcome) { promise.set_value(std::move(outcome)); });
  return future.get();
}

// Asks until somebody has logged in, refused, or the code is too old.
std::expected<sasl::Secret, std::string> wait_for_login(http::Client& client,
                                                        const config::OAuth& settings,
                                                        const sasl::Secret& client_secret,
                                                        const oauth::DeviceAnswer& device) {
  const auto end = steady_clock::now() + device.lifetime;
  seconds interval = device.interval;
  while (steady_clock::now() < end) {
    std::this_thread::sleep_for(interval);
    std::vector<std::pair<std::string_view, std::string_view>> fields = {
        {"grant_type", "urn:ietf:params:oauth:grant-type:device_code"},
        {"client_id", settings.client_id},
        {"device_code", device.device_code.reveal()}};
    if (!client_secret.empty()) fields.emplace_back("client_secret", client_secret.reveal());
    const auto outcome =
        post(client, oauth::form_request(settings.token_url, oauth::encode_form(fields)));
    if (!outcome) continue;  // the next one may come through
    auto token = oauth::read_token_answer(*outcome);
    if (token && !token->refresh_token.empty()) return std::move(token->refresh_token);
    if (token) {
      return std::unexpected<std::string>(
          "there was no refresh token: oauth.scope needs offline_access");
    }
    const std::string& error = token.error().error;
    if (error == "slow_down") interval += seconds(5);  // RFC 8628 3.5
    if (error != "slow_down" && error != "authorization_pending") {
      return std::unexpected(token.error().text);
    }
  }
  return std::unexpected<std::string>("nobody logged in in time");
}

int log_in(const Settings& settings, const Arguments& arguments) {
  const auto site = open_site(settings);
  if (!site) return site.error();
  const std::string id =
      arguments.server.empty() ? site->snapshot.servers.front()->id : arguments.server;
  const auto* const server = find_or_complain(*site, id);
  if (server == nullptr) return kRefused;
  const config::Login* login = &server->delivery.login;
  for (const config::Domain& domain : server->domains) {
    if (domain.name == arguments.domain) login = &domain.login;
  }
  const config::OAuth& oauth = login->oauth;
  if (oauth.refresh_token_file.empty() || oauth.device_url.empty() || oauth.client_id.empty()) {
    return complain(
        "needs delivery.security.oauth with client_id, refresh_token_file and tenant (or "
        "token_url and device_url)",
        kRefused);
  }
  sasl::Secret secret;
  if (!oauth.client_secret_file.empty()) {
    auto stored = config::read_secret_line(oauth.client_secret_file);
    if (!stored) {
      return complain(fmt::format("{} {}", oauth.client_secret_file, stored.error()), kRefused);
    }
    secret = std::move(*stored);
  }
  http::Client client({.proxy = site->snapshot.service.http_proxy, .ca_file = {}});
  const auto began = post(
      client, oauth::form_request(
                  oauth.device_url,
                  oauth::encode_form({{"client_id", oauth.client_id}, {"scope", oauth.scope}})));
  if (!began) return complain(oauth::refusal_of(began.error()).text, kRefused);
  const auto device = oauth::read_device_answer(*began);
  if (!device) return complain(device.error().text, kRefused);
  fmt::print("Open {} in a browser, enter the code {} and log in as {}.\n",
             device->verification_url, device->user_code, login->username);
  std::fflush(stdout);
  const auto token = wait_for_login(client, oauth, secret, *device);
  if (!token) return complain(token.error(), kRefused);
  const std::string why =
      config::replace_secret_file(oauth.refresh_token_file, token->reveal() + "\n");
  if (!why.empty()) return complain(fmt::format("{} {}", oauth.refresh_token_file, why), kRefused);
  fmt::print("The refresh token is in {}. mailrootctl reload makes mailrootd use it now.\n",
             oauth.refresh_token_file);
  return 0;
}

}  // namespace

void add_oauth(CLI::App& app, const Settings& settings, int& code) {
  auto* group = app.add_subcommand("oauth", "tokens for logins at smart hosts");
  group->require_subcommand(1);
  const auto arguments = std::make_shared<Arguments>();
  auto* command = group->add_subcommand(
      "login", "log in by a browser, once; the refresh token is kept in oauth.refresh_token_file");
  command->add_option("server", arguments->server, "virtual server (the first)");
  command->add_option("--domain", arguments->domain, "for the smart host of this entry of domains");
  command->callback([&settings, &code, arguments] { code = log_in(settings, *arguments); });
}

}  // namespace mailroot::ctl
