// Domains: aliases, remote domains with their routes.
#include <algorithm>
#include <unordered_set>

#include "mailroot/config/limits.h"
#include "mailroot/import/limits.h"
#include "mailroot/smtp/grammar.h"
#include "route_action.h"
#include "server_context.h"
#include "text.h"

namespace mailroot::import {

namespace {

// What one domain becomes.
struct Converted {
  std::string flow;     // "{ name: ..., type: ... }"; empty: no entry
  std::string comment;  // beside it
};

class DomainConverter {
 public:
  DomainConverter(ServerContext& context, const Key& key)
      : context_(context), key_(key), properties_(key, nullptr) {
    subject_ = "domain " + one_line(key.name, kShownMax);
  }

  Converted run(std::unordered_set<std::string>& seen);
  void rest();  // what run() did not tell

 private:
  Converted alias(const std::string& name, const Setting& action, uint32_t bits);
  Converted remote(const std::string& name, const Setting& action, uint32_t bits);
  std::string route(uint32_t bits);
  std::string waiting(const Setting& action, uint32_t bits);
  void security(const Setting& action, uint32_t bits);

  void remark(Verdict verdict, const Setting& about, std::string text, std::string key = {}) {
    told_.push_back(about.name);
    context_.remark_on(subject_, verdict, about, std::move(text), std::move(key));
  }

  bool has_told(std::string_view property) const {
    return std::ranges::any_of(told_, [property](std::string_view told) {
      return smtp::equals_ignoring_case(told, property);
    });
  }
  void hold(const Setting& about, std::string text) {
    told_.push_back(about.name);
    context_.hold_on(subject_, about, std::move(text));
  }

  ServerContext& context_;
  const Key& key_;
  Properties properties_;
  std::string subject_;
  std::string comment_;
  std::vector<std::string_view> told_;  // properties; names that outlive this
};

Converted DomainConverter::run(std::unordered_set<std::string>& seen) {
  const auto written = properties_.written("RouteAction");
  const Setting action = written.value_or(Setting{"RouteAction", "0", Origin::schema});
  const uint32_t bits = parse_dword(action.value).value_or(0);
  const bool wildcard = key_.name.starts_with("*.");
  auto name = host_name(wildcard ? std::string_view(key_.name).substr(2) : key_.name);
  if (!name) {
    remark(Verdict::not_carried, action, "is no domain name");
    return {};
  }
  if (wildcard) *name = "*." + *name;
  if (*name == context_.default_domain) {
    remark(Verdict::same, action, "the default domain needs no entry", "default_domain");
    return {};
  }
  if (!seen.insert(*name).second) {
    remark(Verdict::not_carried, action, "is there twice; the first counts");
    return {};
  }
  if (!parse_dword(action.value)) {
    hold(action, "is no number: what the domain does is unknown");
  }
  const bool local = (bits & (kRouteAlias | kRouteDrop | kRouteDeliver | kRouteDefault)) != 0;
  return local ? alias(*name, action, bits) : remote(*name, action, bits);
}

Converted DomainConverter::alias(const std::string& name, const Setting& action, uint32_t bits) {
  if (name.starts_with("*.")) {
    hold(action, "a local domain of many names: an alias names one; list them in domains");
    return {};
  }
  const std::string flow = fmt::format("{{ name: {}, type: alias }}", yaml_text(name));
  const bool is_alias = (bits & kRouteAlias) != 0;
  remark(is_alias ? Verdict::same : Verdict::different, action,
         is_alias ? ""
                  : fmt::format("a local domain of its own ({}): becomes an alias, with the same "
                                "Drop and restamped with the default domain",
                                describe_route(bits)),
         "domains");
  const uint32_t known = kRouteAlias | kRouteDrop | kRouteDeliver | kRouteDefault | kRouteRelay;
  if (is_alias && (bits & ~known) != 0) {
    remark(Verdict::not_carried, action,
           fmt::format("{}: an alias has no settings of its own", describe_route(bits & ~known)));
  }
  return {flow, as_comment(action)};
}

Converted DomainConverter::remote(const std::string& name, const Setting& action, uint32_t bits) {
  std::string flow = fmt::format("{{ name: {}, type: remote", yaml_text(name));
  if ((bits & kRouteRelay) != 0) flow += ", relay: true";
  flow += route(bits);
  if ((bits & kRouteHelo) != 0) flow += ", helo: true";
  if ((bits & kRouteTls) != 0) flow += ", security: { tls: required }";
  flow += waiting(action, bits);
  flow += " }";
  security(action, bits);
  const uint32_t carried = bits & (kRouteRelay | kRouteSmartHost | kRouteHelo | kRouteTls);
  remark(Verdict::same, action,
         carried == 0 ? "by DNS, no relay for strangers" : describe_route(carried), "domains");
  const uint32_t known =
      kRouteRelay | kRouteSmartHost | kRouteHelo | kRouteEtrn | kRouteTls | kRouteLogsIn;
  if ((bits & ~known) != 0) {
    remark(Verdict::not_carried, action,
           fmt::format("{}: has no equivalent", describe_route(bits & ~known)));
  }
  return {flow, as_comment(action) + comment_};
}

std::string DomainConverter::route(uint32_t bits) {
  const auto written = properties_.written("RouteActionString");
  const bool has_text = written && !trim(written->value).empty();
  if ((bits & kRouteSmartHost) == 0) {
    if (has_text) remark(Verdict::different, *written, "IIS did not use it: delivery is by DNS");
    return {};
  }
  const Setting setting = written.value_or(Setting{"RouteActionString", "", Origin::schema});
  const auto host = has_text ? smart_host(setting.value) : std::nullopt;
  // With ETRN the bit alone says that mail waits instead of going by DNS.
  if (!has_text && (bits & kRouteEtrn) != 0) return {};
  if (!host) {
    hold(setting,
         "is no host name or address; mail would go by DNS. Set the smart_host of the "
         "domain");
    return {};
  }
  remark(Verdict::same, setting, "", fmt::format("smart_host: {}", *host));
  return fmt::format(", smart_host: [{}]", yaml_text(*host));
}

// Held for ETRN, or for ATRN where accounts may ask for it.
std::string DomainConverter::waiting(const Setting& action, uint32_t bits) {
  const auto accounts = properties_.written("AuthTurnList");
  const bool has_accounts = accounts && !trim(accounts->value).empty();
  if (has_accounts) {
    context_.footnotes.push_back(
        fmt::format("{}: may dequeue it (AuthTurnList): {}", subject_, shown_value(*accounts)));
    remark(Verdict::not_carried, *accounts,
           "Windows accounts; name users of Mailroot once clients can authenticate");
  }
  if ((bits & kRouteEtrn) == 0) return {};
  const std::string_view word = has_accounts ? "atrn" : "etrn";
  if (allows_word("domains[].queue_for", word)) return fmt::format(", queue_for: {}", word);
  comment_ = fmt::format(", queue_for: {}", word);
  hold(action, fmt::format("IIS kept its mail until it was asked for (queue_for: {}); this "
                           "version cannot, so the mail would go out at once",
                           word));
  return {};
}

void DomainConverter::security(const Setting& action, uint32_t bits) {
  if ((bits & kRouteLogsIn) != 0) {
    hold(action, fmt::format("IIS logged in there ({}), and its password does not come along: set "
                             "security.username, password_file and authentication of the domain",
                             describe_route(bits & kRouteLogsIn)));
  }
  const auto user = properties_.written("RouteUserName");
  if (user && !trim(user->value).empty()) {
    context_.footnotes.push_back(
        fmt::format("{}: user (RouteUserName) {}", subject_, shown_value(*user)));
    remark(Verdict::not_carried, *user,
           "kept as a comment: goes with the password, to security.username of the domain");
  }
  const auto password = properties_.written("RoutePassword");
  if (password && !trim(password->value).empty()) {
    context_.footnotes.push_back(
        fmt::format("{}: password (RoutePassword): put it into secrets.d/{}-{}.password", subject_,
                    context_.out.id, one_line(lower(key_.name), kShownMax)));
    remark(Verdict::not_carried, *password,
           "is encrypted under a key of the old machine and cannot be recovered: ask who gave it "
           "out, or change it");
  }
}

// What was not told yet; a second copy of a property is left over.
void DomainConverter::rest() {
  std::vector<const Property*> rest = properties_.left_over();
  for (const Property& property : key_.properties) {
    if (!has_told(property.name) && std::ranges::find(rest, &property) == rest.end()) {
      rest.push_back(&property);
    }
  }
  const auto tell = [this](Verdict verdict, const Setting& about, std::string text) {
    context_.remark_on(subject_, verdict, about, std::move(text));
  };
  for (const Property* property : rest) {
    const std::string name = one_line(property->name, kShownMax);
    const bool is_list = smtp::equals_ignoring_case(name, "RelayIpList");
    const Setting setting{name, is_list ? "(list)" : std::string_view(property->value),
                          Origin::own};
    if (trim(property->value).empty()) {
      tell(Verdict::same, setting, "is empty");
    } else if (is_list || smtp::equals_ignoring_case(name, "RelayForAuth")) {
      tell(Verdict::not_carried, setting,
           "who may relay is set for the virtual server, not for a domain");
    } else {
      tell(Verdict::not_carried, setting, "has no meaning here for a domain");
    }
  }
}

}  // namespace

void convert_domains(ServerContext& context) {
  if (context.instance.domains.empty()) return;
  std::unordered_set<std::string> seen;
  std::vector<YamlFile::Item> items;
  items.reserve(context.instance.domains.size());
  context.out.remarks.reserve(context.out.remarks.size() + 2 * context.instance.domains.size());
  for (const Key& key : context.instance.domains) {
    DomainConverter converter(context, key);
    Converted converted = converter.run(seen);
    converter.rest();
    if (!converted.flow.empty()) items.push_back({converted.flow, converted.comment});
  }
  context.out.domains = items.size();
  if (!items.empty()) context.yaml.set_list("domains", std::move(items), "");
}

}  // namespace mailroot::import
