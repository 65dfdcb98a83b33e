// Retries, outbound limits, smart host, security towards next hops.
#include <algorithm>

#include "mailroot/config/limits.h"
#include "route_action.h"
#include "server_context.h"
#include "text.h"

namespace mailroot::import {

namespace {

enum class Unit : uint8_t { count, seconds, minutes };

struct Rule {
  std::string_view property;
  std::string_view key;
  Unit unit;
  uint64_t least;  // in the key's own unit: things, or seconds
  uint64_t most;
  bool zero_counts;  // 0 is a value; else it stands for no bound
};

constexpr uint64_t kYear = 365 * 86400;
constexpr Rule kRules[] = {
    {"ConnectionTimeout", "connections.timeout", Unit::seconds, 1, 86400, false},
    {"SmtpRemoteRetryThreshold", "delivery.quick_retries.count", Unit::count, 0, 100, true},
    {"SmtpRemoteDelayExpireMinutes", "delivery.delay_notification", Unit::minutes, 1, kYear, false},
    {"SmtpRemoteNDRExpireMinutes", "delivery.expiration", Unit::minutes, 1, kYear, false},
    {"SmtpLocalDelayExpireMinutes", "delivery.local.delay_notification", Unit::minutes, 1, kYear,
     false},
    {"SmtpLocalNDRExpireMinutes", "delivery.local.expiration", Unit::minutes, 1, kYear, false},
    {"MaxOutConnections", "delivery.outbound.connections", Unit::count, 1, 100'000, false},
    {"MaxOutConnectionsPerDomain", "delivery.outbound.per_domain", Unit::count, 1, 100'000, false},
    {"RemoteTimeout", "delivery.outbound.timeout", Unit::seconds, 1, 3600, false},
    {"RemoteSmtpPort", "delivery.outbound.port", Unit::count, 1, 65535, false},
    {"HopCount", "delivery.hop_limit", Unit::count, 1, 1000, false},
};

void convert_number(ServerContext& context, const Rule& rule) {
  const auto setting = context.properties.effective(rule.property);
  const auto number = parse_dword(setting->value);
  if (!number) {
    context.remark(Verdict::not_carried, *setting,
                   fmt::format("is no number; Mailroot's default of {} applies", rule.key));
    return;
  }
  if (is_unlimited(*number) && !(rule.zero_counts && *number == 0)) {
    context.remark(Verdict::different, *setting,
                   fmt::format("IIS had no bound; Mailroot's default of {} applies", rule.key),
                   std::string(rule.key));
    return;
  }
  const uint64_t wanted = *number * uint64_t{rule.unit == Unit::minutes ? 60u : 1u};
  const uint64_t value = std::clamp(wanted, rule.least, rule.most);
  const std::string written =
      rule.unit == Unit::count ? std::to_string(value) : yaml_duration(value);
  context.carry(*setting, rule.key, written, value == wanted ? "" : "the nearest there can be",
                value == wanted ? Verdict::same : Verdict::different);
}

// "15,30,60,240": minutes, the last repeats.
void convert_retries(ServerContext& context) {
  const auto setting = context.properties.effective("SmtpRemoteProgressiveRetry");
  std::vector<std::string> intervals;
  bool whole = true;
  std::string_view rest = setting->value;
  while (!rest.empty()) {
    const size_t end = std::min(rest.find_first_of(", \t\r\n"), rest.size());
    const std::string_view word = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (word.empty()) continue;
    const auto minutes = parse_dword(word);
    const bool fits = minutes && *minutes > 0 && *minutes <= kYear / 60 &&
                      intervals.size() < config::kRetryIntervalsMax;
    if (fits) {
      intervals.push_back(yaml_duration(uint64_t{*minutes} * 60));
    } else {
      whole = false;
    }
  }
  if (intervals.empty()) {
    context.remark(Verdict::different, *setting,
                   "no interval in it; Mailroot's 15m, 30m, 60m, 240m apply",
                   "delivery.retry_intervals");
    return;
  }
  context.carry(*setting, "delivery.retry_intervals", yaml_flow(intervals),
                whole ? "" : "what is no number of minutes was left out",
                whole ? Verdict::same : Verdict::different);
}

std::vector<std::string> hosts_in(std::string_view text, bool& whole) {
  std::vector<std::string> out;
  while (!text.empty()) {
    const size_t end = std::min(text.find_first_of(";, \t\r\n"), text.size());
    const std::string_view word = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (word.empty()) continue;
    const auto host = smart_host(word);
    if (host && out.size() < config::kSmartHostsMax) {
      out.push_back(yaml_text(*host));
    } else {
      whole = false;
    }
  }
  return out;
}

void convert_smart_host(ServerContext& context) {
  const auto type_setting = context.properties.effective("SmartHostType");
  const auto type = parse_dword(type_setting->value).value_or(0);
  const auto host = context.properties.written("SmartHost");
  const bool has_host = host && !trim(host->value).empty();
  constexpr std::string_view kTypes[] = {"none", "direct delivery first", "always"};
  if (type > 2) {
    context.remark(Verdict::decide, *type_setting,
                   "is no kind of smart host that is known; set delivery.smart_host");
  } else {
    context.remark(Verdict::same, *type_setting, std::string(kTypes[type]));
  }
  if (!has_host) {
    if (type == 1 || type == 2) {
      context.remark(Verdict::different, *type_setting,
                     "without a name of a smart host: delivery is by DNS", "delivery.smart_host");
    }
    return;
  }
  bool whole = true;
  const auto hosts = hosts_in(host->value, whole);
  if (type == 0 || type > 2) {
    context.yaml.set_off("delivery.smart_host", yaml_flow(hosts), as_comment(*host));
    context.remark(Verdict::different, *host,
                   "IIS did not use it (SmartHostType): delivery is by DNS, it is a comment");
    return;
  }
  if (!whole || hosts.empty()) {
    context.hold(*host,
                 "is no host name or address; mail would go by DNS. Set delivery.smart_host");
  }
  if (hosts.empty()) return;
  context.carry(*host, "delivery.smart_host", yaml_flow(hosts));
  context.yaml.set("delivery.attempt_direct_delivery_first", type == 1 ? "true" : "false",
                   as_comment(*type_setting));
}

void convert_masquerade(ServerContext& context) {
  const auto name = context.properties.written("MasqueradeDomain");
  const auto on = context.properties.effective("DoMasquerade");
  const bool is_on = on && is_true(*on);
  if (!name || trim(name->value).empty()) {
    context.remark(Verdict::same, *on, "no masquerade domain", "delivery.masquerade_domain: \"\"");
    if (name) context.remark(Verdict::same, *name, "is empty");
    return;
  }
  const auto domain = host_name(name->value);
  if (!domain) {
    context.remark(Verdict::decide, *name, "is no domain name; set delivery.masquerade_domain");
  } else if (is_on) {
    context.carry(*name, "delivery.masquerade_domain", yaml_text(*domain));
  } else {
    context.yaml.set_off("delivery.masquerade_domain", yaml_text(*domain), as_comment(*name));
    context.remark(Verdict::same, *name, "IIS did not use it (DoMasquerade=FALSE)",
                   "delivery.masquerade_domain: \"\"");
  }
  context.remark(Verdict::same, *on, is_on ? "on" : "off");
}

void convert_security(ServerContext& context) {
  const auto action = context.properties.effective("RouteAction");
  const uint32_t bits = parse_dword(action->value).value_or(0);
  const auto always = context.properties.effective("AlwaysUseSsl");
  const bool tls = (bits & kRouteTls) != 0 || (always && is_true(*always));
  const Setting& why = (bits & kRouteTls) != 0 ? *action : *always;
  if (tls) context.carry(why, "delivery.security.tls", "required");
  if ((bits & kRouteLogsIn) != 0) {
    context.yaml.set_off("delivery.security.authentication",
                         (bits & kRouteNtlm) != 0 ? "none" : "login",
                         describe_route(bits & kRouteLogsIn));
    context.hold(*action,
                 fmt::format("IIS logged in at the next hop ({}), and its password does not come "
                             "along: set delivery.security.username and password_file, then "
                             "authentication",
                             describe_route(bits & kRouteLogsIn)));
  }
  if (bits == 0) context.remark(Verdict::same, *action, "outbound security: none");
  const uint32_t other = bits & ~(kRouteTls | kRouteLogsIn);
  if (other != 0) {
    context.remark(
        Verdict::not_carried, *action,
        fmt::format("{}: of no meaning for a whole virtual server", describe_route(other)));
  }
  if (!parse_dword(action->value))
    context.hold(*action, "is no number: outbound security is unknown");
  if (always && !is_true(*always)) context.remark(Verdict::same, *always, "off");
  const auto user = context.properties.written("RouteUserName");
  const auto password = context.properties.written("RoutePassword");
  if (user && !trim(user->value).empty()) {
    context.footnotes.push_back("Outbound user (RouteUserName): " + shown_value(*user));
    context.remark(Verdict::not_carried, *user,
                   "kept as a comment: goes with the password, to delivery.security.username");
  } else if (user) {
    context.remark(Verdict::same, *user, "is empty");
  }
  if (password && !trim(password->value).empty()) {
    context.footnotes.push_back(fmt::format(
        "Outbound password (RoutePassword): put it into secrets.d/{}.password; it is encrypted in "
        "the metabase and cannot be recovered",
        context.out.id));
    context.remark(Verdict::not_carried, *password,
                   "is encrypted under a key of the old machine and cannot be recovered: ask who "
                   "gave it out, or change it");
  }
}

void convert_resolver(ServerContext& context) {
  for (const std::string_view name : {"NameResolutionType", "SmtpUseTcpDns"}) {
    if (const auto setting = context.properties.written(name)) {
      context.remark(Verdict::different, *setting,
                     "Mailroot asks the system's resolvers for MX, then A and AAAA, by UDP and, "
                     "where it has to, TCP");
    }
  }
  if (const auto mask = context.properties.written("SmtpOutboundCommandSupportOptions")) {
    context.remark(Verdict::different, *mask,
                   "Mailroot always says EHLO, uses what the next hop offers, and falls back to "
                   "HELO");
  }
  for (const std::string_view name : {"SmtpSSLCertHostnameValidation", "SmtpSSLRequireTrustedCA"}) {
    if (const auto setting = context.properties.written(name)) {
      context.remark(Verdict::not_carried, *setting,
                     "delivery.security.tls: verified asks for both, the name and who signed");
    }
  }
}

}  // namespace

void convert_delivery(ServerContext& context) {
  for (const Rule& rule : kRules) convert_number(context, rule);
  convert_retries(context);
  convert_smart_host(context);
  convert_masquerade(context);
  convert_security(context);
  convert_resolver(context);
  const auto lookup = context.properties.effective("EnableReverseDnsLookup");
  context.carry(*lookup, "delivery.reverse_dns_lookup", is_true(*lookup) ? "true" : "false");
  if (const auto days = context.properties.written("EtrnDays")) {
    context.remark(Verdict::different, *days,
                   "mail that waits for ETRN expires by delivery.expiration like any other");
  }
}

}  // namespace mailroot::import
