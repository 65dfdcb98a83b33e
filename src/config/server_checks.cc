#include "server_checks.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <map>

#include "login_checks.h"
#include "presets.h"

namespace mailroot::config {

namespace {

void check_bindings(const VirtualServer& server, Context& context) {
  std::map<std::string, const Binding*> seen;
  for (size_t i = 0; i < server.bindings.size(); ++i) {
    const Binding& binding = server.bindings[i];
    const auto [first, is_new] = seen.emplace(binding.to_string(), &binding);
    if (is_new) continue;
    Problem problem;
    problem.place = binding.place;
    problem.key = fmt::format("bindings[{}]", i);
    problem.text = fmt::format("{} is listed twice; first at {}:{}", first->first,
                               first->second->place.line, first->second->place.column);
    context.add(std::move(problem));
  }
}

bool needs_certificate(const Binding& binding) {
  return binding.tls != ListenerTls::automatic && binding.tls != ListenerTls::off;
}

void check_pair(const std::string& certificate, const std::string& key, std::string_view section,
                Context& context) {
  if (certificate.empty() == key.empty()) return;
  const auto missing = certificate.empty() ? "certificate" : "key";
  const auto given = certificate.empty() ? "key" : "certificate";
  context.complain_at_key(fmt::format("{}.{}", section, given),
                          fmt::format("needs {}.{} beside it", section, missing));
}

void check_tls(const VirtualServer& server, Context& context) {
  const TlsAccess& tls = server.access.tls;
  check_pair(tls.certificate, tls.key, "access.tls", context);
  const Security& out = server.delivery.security;
  check_pair(out.certificate, out.key, "delivery.security", context);
  if (tls.certificate.empty() && !tls.additional.empty()) {
    context.complain_at_key("access.tls.additional", "needs access.tls.certificate beside it");
  }
  const bool knows_clients = !tls.client_ca.empty() || !tls.client_fingerprints.empty();
  if (tls.client_certificate != ClientCertificate::off && !knows_clients) {
    context.complain_at_key(
        "access.tls.client_certificate",
        "needs access.tls.client_ca or access.tls.client_fingerprints: no certificate is good");
  }
  for (size_t i = 0; i < server.bindings.size(); ++i) {
    const Binding& binding = server.bindings[i];
    if (!needs_certificate(binding) || !tls.certificate.empty()) continue;
    Problem problem;
    problem.place = binding.place;
    problem.key = fmt::format("bindings[{}].tls", i);
    problem.text = "needs a certificate: set access.tls.certificate and access.tls.key";
    context.add(std::move(problem));
  }
}

std::string wrong_with_domain(const VirtualServer& server, const Domain& domain) {
  const bool is_wildcard = domain.name.starts_with("*.");
  if (domain.name == server.default_domain) {
    return fmt::format("{} is the default domain; it needs no entry", domain.name);
  }
  if (domain.type != DomainType::alias) return {};
  if (is_wildcard) return "an alias names one domain; \"*.\" is for remote domains";
  if (domain.relay || domain.helo || domain.queue_for != QueueFor::nothing ||
      !domain.smart_host.empty() || domain.security != Security{} || domain.login != Login{}) {
    return "an alias has no settings of its own: relay, helo, smart_host, security and queue_for "
           "are for remote domains";
  }
  return {};
}

void check_domains(const VirtualServer& server, Context& context) {
  std::map<std::string_view, const Domain*> seen;
  for (size_t i = 0; i < server.domains.size(); ++i) {
    const Domain& domain = server.domains[i];
    if (domain.name.empty()) continue;  // already complained about
    const auto [first, is_new] = seen.emplace(domain.name, &domain);
    Problem problem;
    problem.place = domain.place;
    problem.key = fmt::format("domains[{}]", i);
    problem.text = wrong_with_domain(server, domain);
    if (!is_new) {
      const Domain& other = *first->second;
      const char* const how =
          domain.type == other.type ? "is listed twice" : "is both an alias and a remote domain";
      problem.text = fmt::format("{} {}; first at {}:{}", domain.name, how, other.place.line,
                                 other.place.column);
    }
    if (!problem.text.empty()) context.add(std::move(problem));
  }
}

void check_sizes(const VirtualServer& server, Context& context) {
  const bool both = server.size_limit_bytes != 0 && server.session_size_limit_bytes != 0;
  if (both && server.session_size_limit_bytes < server.size_limit_bytes) {
    context.complain_at_key("messages.session_size_limit", "is below messages.size_limit");
  }
  if (server.size_limit_bytes == 0 && server.session_size_limit_bytes != 0) {
    context.complain_at_key("messages.session_size_limit",
                            "is below messages.size_limit, which is unlimited");
  }
}

void check_outbound_bind(const VirtualServer& server, Context& context) {
  for (const IpFamily family : {IpFamily::v4, IpFamily::v6}) {
    size_t count = 0;
    for (const auto& address : server.delivery.outbound_bind) {
      if (address.family() == family) ++count;
    }
    if (count > 1) {
      context.complain_at_key("delivery.outbound.bind", "more than one address of one family");
    }
  }
}

void warn(const VirtualServer& server, const Context& context, const std::string& key,
          const std::string& text, std::vector<std::string>& warnings) {
  warnings.push_back(fmt::format("{}: {}: {} (virtual server {})",
                                 context.place_of_key(key).to_string(), key, text, server.id));
}

void warn_of_authentication(const VirtualServer& server, const Context& context,
                            std::vector<std::string>& warnings) {
  const Authentication& settings = server.access.authentication;
  const bool has_users = !settings.users_file.empty() || !settings.dovecot.empty();
  if (!settings.anonymous && !has_users) {
    warn(server, context, "access.authentication.anonymous",
         "is false, and without access.authentication.users nobody can log in: no mail is taken",
         warnings);
  }
  const bool wants_clear = std::ranges::any_of(server.bindings, [](const Binding& binding) {
    return binding.authentication == ListenerAuth::clear;
  });
  if (wants_clear && settings.require_tls && has_users) {
    warn(server, context, "access.authentication.require_tls",
         "is true: also bindings with authentication: clear offer AUTH inside TLS only", warnings);
  }
}

bool shows_secret(const Login& login) {
  const auto mechanisms = mechanisms_of(login.method);
  return std::ranges::any_of(mechanisms, sasl::reveals_secret);
}

// TLS that asks for no certificate keeps out who listens, not who stands in between.
void warn_of_unverified(const Login& login, const Security& security, const std::string& section,
                        const Context& context, std::vector<std::string>& warnings) {
  if (!shows_secret(login) || login.allow_clear || security.tls == OutboundTls::verified) return;
  const std::string key = section + ".tls";
  warnings.push_back(fmt::format(
      "{}: {}: without verified, who stands between here and the next hop can take the secret",
      context.place_of_key(key).to_string(), key));
}

void check_domain_logins(const VirtualServer& server, Context& context,
                         std::vector<std::string>& warnings) {
  for (size_t i = 0; i < server.domains.size(); ++i) {
    const Domain& domain = server.domains[i];
    const std::string section = section_of_domain(i);
    check_login(domain.login, section, context);
    warn_of_unverified(domain.login, security_for(server, &domain), section, context, warnings);
    if (mixes_presets(domain.smart_host)) {
      context.complain_at_key(fmt::format("domains[{}].smart_host", i),
                              "a provider known by name stands alone: credentials are for one");
    }
  }
}

}  // namespace

void check_server(const VirtualServer& server, Context& context,
                  std::vector<std::string>& warnings) {
  check_bindings(server, context);
  check_tls(server, context);
  check_domains(server, context);
  check_sizes(server, context);
  check_outbound_bind(server, context);
  warn_of_authentication(server, context, warnings);
  check_login(server.delivery.login, "delivery.security", context);
  check_domain_logins(server, context, warnings);
  warn_of_unverified(server.delivery.login, server.delivery.security, "delivery.security", context,
                     warnings);
  if (mixes_presets(server.delivery.smart_host)) {
    context.complain_at_key("delivery.smart_host",
                            "a provider known by name stands alone: credentials are for one");
  }
  const Delivery& delivery = server.delivery;
  if (delivery.login.method != LoginMethod::none && delivery.smart_host.empty()) {
    warn(server, context, "delivery.security.authentication",
         "has no effect without delivery.smart_host: only smart hosts get the credentials",
         warnings);
  }
  if (delivery.delay_notification >= delivery.expiration) {
    warn(server, context, "delivery.delay_notification",
         "is not below delivery.expiration; no delay is ever notified", warnings);
  }
  if (delivery.attempt_direct_delivery_first && delivery.smart_host.empty()) {
    warn(server, context, "delivery.attempt_direct_delivery_first",
         "has no effect without delivery.smart_host", warnings);
  }
  for (const auto& network : server.access.relay_allow) {
    if (network.prefix_length() == 0) {
      warn(server, context, "access.relay.allow",
           network.to_string() + " is everybody: this is an open relay", warnings);
    }
  }
}

void check_dane(const ConfigSnapshot& snapshot, ProblemList& problems) {
  if (!snapshot.service.dns_trust_anchor.empty()) return;
  for (const auto& server : snapshot.servers) {
    const bool wants_dane = server->delivery.security.tls == OutboundTls::dane ||
                            std::ranges::any_of(server->domains, [](const Domain& domain) {
                              return domain.security.tls == OutboundTls::dane;
                            });
    if (!wants_dane) continue;
    Problem problem;
    problem.place = server->place;
    problem.key = "delivery.security.tls";
    problem.text =
        "dane needs dns.trust_anchor in " + snapshot.file + ", or no TLSA record could be believed";
    problems.add(std::move(problem));
  }
}

void check_log_directories(const ConfigSnapshot& snapshot, ProblemList& problems) {
  std::map<std::string, const VirtualServer*> folders;
  for (const auto& server : snapshot.servers) {
    for (const std::string& name :
         {std::string("Pickup"), std::string("Queue"), std::string("Drop"), std::string("Journal"),
          std::string("Imported"), server->badmail_directory}) {
      folders.emplace(server->home_directory + "/" + name, server.get());
    }
  }
  for (const auto& server : snapshot.servers) {
    const std::filesystem::path directory = server->protocol_log.directory;
    for (auto at = directory; !at.empty() && at != at.parent_path(); at = at.parent_path()) {
      const auto found = folders.find(at.string());
      if (found == folders.end()) continue;
      Problem problem;
      problem.place = server->place;
      problem.key = "protocol_log.directory";
      problem.text = fmt::format(
          "{} is a folder of mail of virtual server {}; logs need a place of "
          "their own",
          directory.string(), found->second->id);
      problems.add(std::move(problem));
      break;
    }
  }
}

}  // namespace mailroot::config
