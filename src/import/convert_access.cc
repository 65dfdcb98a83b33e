// Who may connect, who may relay, who has to log in.
//
// An IPSECLIST means: grants present: only those; else denials present: all but those; neither: as
// for an absent one, everybody for IPSecurity; for RelayIpList nobody when absent, everybody when
// present and empty.
#include "mailroot/config/limits.h"
#include "mailroot/import/ip_list.h"
#include "server_context.h"
#include "text.h"

namespace mailroot::import {

namespace {

const std::vector<FlagName> kAuthFlags = {
    {"AuthAnonymous", 1}, {"AuthBasic", 2}, {"AuthNTLM", 4}, {"AuthMD5", 16}, {"AuthPassport", 64}};
const std::vector<FlagName> kSslFlags = {{"AccessSSL", 8},
                                         {"AccessSSLNegotiateCert", 32},
                                         {"AccessSSLRequireCert", 64},
                                         {"AccessSSLMapCert", 128},
                                         {"AccessSSL128", 256}};
constexpr uint32_t kAnonymous = 1;
constexpr uint32_t kBasic = 2;
constexpr uint32_t kIntegrated = 4;
constexpr uint32_t kRequireTls = 8;

// "Only the list below" with nothing in it is written as this one grant.
constexpr MaskedAddress kNobody{0, 0xFFFFFFFF};
constexpr std::string_view kEverybodyV4 = "0.0.0.0/0";

struct Networks {
  std::vector<YamlFile::Item> items;
  size_t lost = 0;  // entries that no network says
};

// As YAML, and a remark for each entry that cannot be.
Networks networks_of(ServerContext& context, const Setting& setting, std::string_view which,
                     const std::vector<MaskedAddress>& entries) {
  Networks out;
  for (const MaskedAddress& entry : entries) {
    if (entry == kNobody) continue;
    const auto network = to_network(entry);
    if (network && out.items.size() < config::kNetworksMax) {
      out.items.push_back({network->to_string(), ""});
      continue;
    }
    ++out.lost;
    const std::string text = entry.to_string();
    context.remark(
        Verdict::not_carried, {setting.name, text, setting.origin},
        network ? fmt::format("more than {} entries", config::kNetworksMax)
                : fmt::format("the mask of this {} has holes; list its networks instead", which));
  }
  return out;
}

// Short lists in one line, with the networks told in the report; longer ones a line each.
void write_networks(ServerContext& context, std::string_view path, Networks networks,
                    std::string comment) {
  constexpr size_t kInLine = 4;
  if (networks.items.size() > kInLine) {
    context.yaml.set_list(path, std::move(networks.items), std::move(comment));
    return;
  }
  std::vector<std::string> values;
  for (auto& item : networks.items) values.push_back(std::move(item.value));
  context.yaml.set(path, yaml_flow(values), std::move(comment));
}

// A blob is long and says nothing to people.
Setting without_blob(const Setting& setting) {
  return {setting.name, setting.value.empty() ? "\"\"" : "(list)", setting.origin};
}

void remark_names(ServerContext& context, const Setting& setting, uint32_t names,
                  std::string_view which) {
  if (names == 0) return;
  context.remark(Verdict::decide, setting,
                 fmt::format("{} {} by domain name {} not carried: Mailroot does not decide by "
                             "reverse lookup, and their form in the file is not documented; list "
                             "the networks",
                             names, which, names == 1 ? "is" : "are"));
}

// Nobody may relay until the administrator has chosen, unless told otherwise on the command line.
void convert_open_relay(ServerContext& context, const Setting& setting, Networks denied,
                        std::string_view what) {
  if (context.options.keep_open_relay) {
    context.yaml.set("access.relay.allow", yaml_flow({std::string(kEverybodyV4)}),
                     as_comment(setting) + ": everybody, as asked for with --open-relay keep");
    if (!denied.items.empty()) write_networks(context, "access.relay.deny", std::move(denied), "");
    context.remark(Verdict::decide, setting,
                   fmt::format("OPEN RELAY, kept because of --open-relay keep: {}", what),
                   "access.relay.allow: [0.0.0.0/0]");
    return;
  }
  context.yaml.set("access.relay.allow", "[]", as_comment(setting) + ": see the report");
  context.remark(Verdict::decide, setting,
                 fmt::format("WAS AN OPEN RELAY in IIS: {}. Carried as closed: nobody may relay by "
                             "address. List the clients that may in access.relay.allow, or import "
                             "with --open-relay keep",
                             what),
                 "access.relay.allow: []");
}

void convert_relay_list(ServerContext& context) {
  const auto written = context.properties.written("RelayIpList");
  if (!written) {
    const Setting absent{"RelayIpList", "", Origin::schema};
    context.yaml.set("access.relay.allow", "[]", "RelayIpList is absent: nobody");
    context.remark(Verdict::same, absent, "absent: nobody may relay by address",
                   "access.relay.allow: []");
    return;
  }
  const Setting setting = without_blob(*written);
  if (trim(written->value).empty()) {
    convert_open_relay(context, setting, {},
                       "a list that is present and empty means \"all except the list below\"");
    return;
  }
  const auto list = decode_ip_list(written->value);
  if (!list) {
    context.yaml.set("access.relay.allow", "[]", as_comment(setting) + ": could not be decoded");
    context.remark(Verdict::decide, setting,
                   fmt::format("cannot be decoded: it {}. Carried as closed; list the clients that "
                               "may relay",
                               list.error()),
                   "access.relay.allow: []");
    return;
  }
  remark_names(context, setting, list->grant_names, "grants");
  remark_names(context, setting, list->deny_names, "denials");
  Networks denied = networks_of(context, setting, "denial", list->deny);
  if (list->grant.empty() && list->grant_names == 0) {
    convert_open_relay(context, setting, std::move(denied),
                       "the list names who may not relay, everybody else may");
    return;
  }
  Networks granted = networks_of(context, setting, "grant", list->grant);
  const std::string key = fmt::format("access.relay.allow: {} networks", granted.items.size());
  write_networks(context, "access.relay.allow", std::move(granted), as_comment(setting));
  // A denial that is lost could be inside a grant.
  const bool open = denied.lost > 0;
  if (!denied.items.empty()) write_networks(context, "access.relay.deny", std::move(denied), "");
  if (open) context.hold(setting, "denials were lost (see above): check who may relay");
  context.remark(Verdict::same, setting, "only the list may relay", key);
}

void shut(ServerContext& context, const Setting& setting, std::string comment) {
  context.yaml.set("access.connect.deny", yaml_flow({std::string(kEverybodyV4), "\"::/0\""}),
                   fmt::format("{}: {}", as_comment(setting), comment));
}

// Grants for connections; a list that grants nobody must not become an empty one, which is
// everybody.
void convert_connect_grants(ServerContext& context, const Setting& setting, const IpList& list) {
  Networks granted = networks_of(context, setting, "grant", list.grant);
  Networks denied = networks_of(context, setting, "denial", list.deny);
  if (denied.lost > 0)
    context.hold(setting, "denials were lost (see above): check who may connect");
  if (granted.items.empty()) {
    shut(context, setting, "it grants nobody");
    context.remark(granted.lost > 0 || list.grant_names > 0 ? Verdict::decide : Verdict::same,
                   setting, "no address is granted: nobody may connect", "access.connect.deny");
    return;
  }
  const std::string key = fmt::format("access.connect.allow: {} networks", granted.items.size());
  write_networks(context, "access.connect.allow", std::move(granted), as_comment(setting));
  if (!denied.items.empty()) write_networks(context, "access.connect.deny", std::move(denied), "");
  context.remark(Verdict::same, setting, "only the list may connect", key);
}

void convert_connect_list(ServerContext& context) {
  const auto written = context.properties.written("IPSecurity");
  if (!written || trim(written->value).empty()) {
    const Setting none{"IPSecurity", "", written ? written->origin : Origin::schema};
    context.yaml.set("access.connect.allow", "[]", "IPSecurity is empty: everybody");
    context.remark(Verdict::same, none, "empty: everybody may connect", "access.connect.allow: []");
    return;
  }
  const Setting setting = without_blob(*written);
  const auto list = decode_ip_list(written->value);
  if (!list) {
    shut(context, setting, "could not be decoded");
    context.hold(setting, fmt::format("cannot be decoded: it {}. Nobody may connect until "
                                      "access.connect is set",
                                      list.error()));
    return;
  }
  remark_names(context, setting, list->grant_names, "grants");
  remark_names(context, setting, list->deny_names, "denials");
  if (list->deny_names > 0) context.hold(setting, "who was kept out by name could connect");
  if (!list->grant.empty() || list->grant_names > 0) {
    convert_connect_grants(context, setting, *list);
    return;
  }
  Networks denied = networks_of(context, setting, "denial", list->deny);
  if (denied.lost > 0)
    context.hold(setting, "denials were lost (see above): check who may connect");
  const std::string key = fmt::format("access.connect.deny: {} networks", denied.items.size());
  write_networks(context, "access.connect.deny", std::move(denied), as_comment(setting));
  context.remark(Verdict::same, setting, "all but the list may connect", key);
}

void convert_relay_for_auth(ServerContext& context) {
  const auto setting = context.properties.effective("RelayForAuth");
  if (!setting) return;
  const bool may = is_true(*setting);
  const std::string value = may ? "true" : "false";
  if (allows_word("access.relay.authenticated", value)) {
    context.yaml.set("access.relay.authenticated", value, as_comment(*setting));
  } else {
    context.yaml.set_off("access.relay.authenticated", value, as_comment(*setting));
  }
  const bool works = is_available("access.relay.authenticated");
  context.remark(works ? Verdict::same : Verdict::not_carried, *setting,
                 works ? "" : "clients cannot authenticate in this version, so it has no effect",
                 fmt::format("access.relay.authenticated: {}", value));
}

void convert_authentication(ServerContext& context) {
  const auto setting = context.properties.effective("AuthFlags");
  if (!setting) return;
  const uint32_t flags = parse_flags(setting->value, kAuthFlags);
  if ((flags & kAnonymous) == 0) {
    context.yaml.set_off("access.authentication.anonymous", "false", as_comment(*setting));
    context.hold(*setting,
                 "IIS served only clients that logged in, and there are no users yet: mailrootctl "
                 "user add makes them, then access.authentication.anonymous: false asks for them");
  } else {
    context.carry(*setting, "access.authentication.anonymous", "true");
  }
  if ((flags & kBasic) != 0) {
    context.yaml.set_off("access.authentication.mechanisms", "[PLAIN, LOGIN]", "AuthBasic");
    context.remark(Verdict::not_carried, *setting,
                   "AuthBasic: passwords of Windows accounts do not come along; mailrootctl user "
                   "add makes users");
  }
  if ((flags & kIntegrated) != 0) {
    context.remark(Verdict::not_carried, *setting,
                   "AuthNTLM: Mailroot has neither NTLM nor GSSAPI");
  }
  for (const std::string_view name : {"DefaultLogonDomain", "SaslLogonDomain"}) {
    const auto domain = context.properties.written(name);
    if (domain && !trim(domain->value).empty()) {
      context.remark(Verdict::not_carried, *domain, "Mailroot's users have no Windows domain");
    }
  }
  if (const auto providers = context.properties.written("NTAuthenticationProviders")) {
    context.remark(Verdict::not_carried, *providers, "Mailroot has neither NTLM nor GSSAPI");
  }
}

void convert_tls(ServerContext& context) {
  const auto setting = context.properties.effective("AccessSSLFlags");
  if (setting && (parse_flags(setting->value, kSslFlags) & kRequireTls) != 0) {
    context.hold(*setting,
                 "IIS took mail inside TLS only: set access.tls.certificate and key, and tls: "
                 "required at the bindings");
  } else if (setting && parse_flags(setting->value, kSslFlags) != 0) {
    context.remark(Verdict::not_carried, *setting,
                   "certificates of clients: see access.tls.client_certificate");
  } else if (setting) {
    context.remark(Verdict::same, *setting, "TLS is not required");
  }
  const auto hash = context.properties.written("SSLCertHash");
  if (const auto store = context.properties.written("SSLStoreName")) {
    context.remark(Verdict::not_carried, *store, "the Windows certificate store is not here");
  }
  if (!hash || trim(hash->value).empty()) return;
  const std::string path = "secrets.d/" + context.out.id;
  context.yaml.set_off("access.tls",
                       fmt::format("{{ certificate: {}.pem, key: {}.key }}", path, path),
                       as_comment(*hash));
  context.remark(Verdict::not_carried, *hash,
                 fmt::format("the file holds only the certificate's thumbprint: export it with its "
                             "private key from the store of the old machine (PFX), and put both as "
                             "PEM into {}.pem and {}.key",
                             path, path));
}

}  // namespace

void convert_access(ServerContext& context) {
  convert_connect_list(context);
  convert_relay_list(context);
  convert_relay_for_auth(context);
  convert_authentication(context);
  convert_tls(context);
  if (const auto setting = context.properties.written("AdminACL")) {
    context.remark(Verdict::not_carried, {setting->name, "(list)", setting->origin},
                   "operators are Windows accounts; here the group mailroot-admin may change and "
                   "mailroot-view may look");
  }
}

}  // namespace mailroot::import
