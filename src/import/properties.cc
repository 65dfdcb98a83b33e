#include "properties.h"

#include <unordered_map>

#include "mailroot/smtp/grammar.h"
#include "text.h"

namespace mailroot::import {

namespace {

using smtp::equals_ignoring_case;

// Where schema and setup differ, setup wrote the value at /LM/SmtpSvc: an absent attribute beside a
// present service key means the schema's.
constexpr KnownProperty kKnown[] = {
    {"AccessSSLFlags", 6030, Use::setting, "0", ""},
    {"AdminACL", 6027, Use::setting, "", ""},
    {"AllowVerify", 0, Use::setting, "TRUE", ""},
    {"AlwaysUseSsl", 0, Use::setting, "FALSE", ""},
    {"AuthFlags", 6000, Use::setting, "1", ""},
    {"BadMailDirectory", 0, Use::setting, "", ""},
    {"ConnectResponse", 0, Use::setting, "", ""},
    {"ConnectionTimeout", 1013, Use::setting, "600", ""},
    {"DefaultDomain", 0, Use::setting, "", ""},
    {"DefaultLogonDomain", 0, Use::setting, "", ""},
    {"DisablePickupDotStuff", 0, Use::setting, "", ""},
    {"DoMasquerade", 0, Use::setting, "FALSE", ""},
    {"DropDirectory", 36882, Use::setting, "", ""},
    {"EnableReverseDnsLookup", 0, Use::setting, "FALSE", ""},
    {"EtrnDays", 36918, Use::setting, "0", "10"},
    {"FullyQualifiedDomainName", 0, Use::setting, "", ""},
    {"HopCount", 0, Use::setting, "15", ""},
    {"IPSecurity", 6019, Use::setting, "", ""},
    {"LogExtFileFlags", 0, Use::setting, "1414", ""},
    {"LogFileDirectory", 0, Use::setting, "", ""},
    {"LogFilePeriod", 0, Use::setting, "1", ""},
    {"LogFileTruncateSize", 0, Use::setting, "20971520", ""},
    {"LogPluginClsid", 0, Use::setting, "", ""},
    {"LogType", 0, Use::setting, "0", ""},
    {"MasqueradeDomain", 0, Use::setting, "", ""},
    {"MaxBatchedMessages", 36871, Use::setting, "0", "20"},
    {"MaxConnections", 1014, Use::setting, "2000000000", ""},
    {"MaxMessageSize", 0, Use::setting, "2097152", ""},
    {"MaxOutConnections", 36894, Use::setting, "0", "1000"},
    {"MaxOutConnectionsPerDomain", 36925, Use::setting, "0", "100"},
    {"MaxRecipients", 36895, Use::setting, "100", ""},
    {"MaxSessionSize", 0, Use::setting, "10485760", ""},
    {"MaxSmtpErrors", 36887, Use::setting, "4294967295", ""},
    {"NTAuthenticationProviders", 0, Use::setting, "GSSAPI,NTLM", ""},
    {"NameResolutionType", 36885, Use::setting, "1", ""},
    {"PickupDirectory", 0, Use::setting, "", ""},
    {"PostmasterEmail", 36917, Use::setting, "", ""},
    {"PostmasterName", 0, Use::setting, "", ""},
    {"QueueDirectory", 36875, Use::setting, "", ""},
    {"RelayForAuth", 36973, Use::setting, "0", "4294967295"},
    {"RelayIpList", 36970, Use::setting, "", ""},
    {"RemoteSmtpPort", 0, Use::setting, "25", ""},
    {"RemoteTimeout", 0, Use::setting, "600", ""},
    {"RouteAction", 36946, Use::setting, "0", ""},
    {"RoutePassword", 0, Use::secret, "", ""},
    {"RouteUserName", 36947, Use::setting, "", ""},
    {"SaslLogonDomain", 0, Use::setting, "", ""},
    {"SecureBindings", 0, Use::setting, "", ""},
    {"SendBadTo", 36923, Use::setting, "Postmaster", ""},
    {"SendNdrTo", 0, Use::setting, "", ""},
    {"ServerAutoStart", 0, Use::setting, "TRUE", ""},
    {"ServerBindings", 1023, Use::setting, "", ""},
    {"ServerComment", 1015, Use::setting, "", ""},
    {"ShouldDeliver", 0, Use::setting, "TRUE", ""},
    {"ShouldPickupMail", 0, Use::setting, "TRUE", ""},
    {"ShouldPipelineIn", 0, Use::setting, "TRUE", ""},
    {"ShouldPipelineOut", 0, Use::setting, "TRUE", ""},
    {"SmartHost", 36906, Use::setting, "", ""},
    {"SmartHostType", 36905, Use::setting, "0", ""},
    {"SmtpDSNLanguageID", 0, Use::setting, "0", ""},
    {"SmtpDSNOptions", 0, Use::setting, "0", ""},
    {"SmtpDomainValidationFlags", 36992, Use::setting, "4294967295", ""},
    {"SmtpDotStuffPickupDirFiles", 0, Use::setting, "", ""},
    {"SmtpHeloNoDomain", 0, Use::setting, "", ""},
    {"SmtpInboundCommandSupportOptions", 36998, Use::setting, "7697601", ""},
    {"SmtpLocalDelayExpireMinutes", 37017, Use::setting, "60", "720"},
    {"SmtpLocalNDRExpireMinutes", 37018, Use::setting, "2880", ""},
    {"SmtpMailNoHelo", 0, Use::setting, "", ""},
    {"SmtpOutboundCommandSupportOptions", 36999, Use::setting, "", ""},
    {"SmtpRemoteDelayExpireMinutes", 37019, Use::setting, "60", "720"},
    {"SmtpRemoteNDRExpireMinutes", 37020, Use::setting, "2880", ""},
    {"SmtpRemoteProgressiveRetry", 36996, Use::setting, "15,30,60,240", ""},
    {"SmtpRemoteRetryThreshold", 0, Use::setting, "3", ""},
    {"SmtpSSLCertHostnameValidation", 0, Use::setting, "", ""},
    {"SmtpSSLRequireTrustedCA", 0, Use::setting, "", ""},
    {"SmtpUseTcpDns", 0, Use::setting, "", ""},
    {"SSLCertHash", 5506, Use::setting, "", ""},
    {"SSLStoreName", 5511, Use::setting, "", ""},
    {"UpdatedDefaultDomain", 0, Use::state, "", ""},
    {"UpdatedFQDN", 0, Use::state, "", ""},

    {"AccessFlags", 0, Use::superseded, "", ""},
    {"AddNoHeaders", 0, Use::superseded, "", ""},
    {"AllowAnonymous", 0, Use::superseded, "", ""},
    {"AllowExpand", 0, Use::superseded, "", ""},
    {"AnonymousUserName", 0, Use::superseded, "", ""},
    {"AnonymousUserPass", 0, Use::secret, "", ""},
    {"DomainRouting", 0, Use::superseded, "", ""},
    {"EtrnSubdomains", 0, Use::superseded, "", ""},
    {"LimitRemoteConnections", 0, Use::superseded, "", ""},
    {"LocalDomains", 36919, Use::superseded, "", ""},
    {"LocalRetryAttempts", 0, Use::superseded, "", ""},
    {"LocalRetryInterval", 0, Use::superseded, "", ""},
    {"RemoteRetryAttempts", 0, Use::superseded, "", ""},
    {"RemoteRetryInterval", 0, Use::superseded, "", ""},
    {"RemoteSmtpSecurePort", 0, Use::superseded, "", ""},
    {"RoutingDll", 0, Use::superseded, "", ""},
    {"RoutingSources", 0, Use::superseded, "", ""},
    {"SmtpClearTextProvider", 0, Use::superseded, "", ""},
    {"SmtpCommandLogMask", 36864, Use::superseded, "", ""},
    {"SmtpDisableRelay", 36974, Use::superseded, "", ""},
    {"SmtpIpRestrictionFlag", 37031, Use::superseded, "", ""},
    {"SmtpServiceVersion", 36931, Use::superseded, "", ""},

    {"ClusterEnabled", 0, Use::engine, "", ""},
    {"DisableSocketPooling", 0, Use::engine, "", ""},
    {"MaxBandwidth", 0, Use::engine, "", ""},
    {"MaxDirChangeIOSize", 0, Use::engine, "", ""},
    {"MaxEndpointConnections", 0, Use::engine, "", ""},
    {"MaxMailObjects", 0, Use::engine, "", ""},
    {"ServerListenBacklog", 0, Use::engine, "", ""},
    {"ServerListenTimeout", 0, Use::engine, "", ""},
    {"SmtpAqueueWait", 0, Use::engine, "", ""},
    {"SmtpAuthTimeout", 37006, Use::engine, "", ""},
    {"SmtpBdatTimeout", 0, Use::engine, "", ""},
    {"SmtpConnectTimeout", 37011, Use::engine, "", ""},
    {"SmtpDataTimeout", 0, Use::engine, "", ""},
    {"SmtpEventlogLevel", 0, Use::engine, "", ""},
    {"SmtpHeloTimeout", 37012, Use::engine, "", ""},
    {"SmtpMailFromTimeout", 37002, Use::engine, "", ""},
    {"SmtpMaxRemoteQThreads", 0, Use::engine, "", ""},
    {"SmtpRcptToTimeout", 37003, Use::engine, "", ""},
    {"SmtpRsetTimeout", 0, Use::engine, "", ""},
    {"SmtpSaslTimeout", 0, Use::engine, "", ""},
    {"SmtpTurnTimeout", 0, Use::engine, "", ""},

    {"KeyType", 1002, Use::state, "", ""},
    {"ServerSize", 0, Use::state, "", ""},
    {"ServerState", 1016, Use::state, "", ""},
    {"Win32Error", 1099, Use::state, "", ""},

    {"LogFileLocaltimeRollover", 0, Use::protocol_log, "", ""},
    {"LogOdbcDataSource", 0, Use::protocol_log, "", ""},
    {"LogOdbcPassword", 0, Use::secret, "", ""},
    {"LogOdbcTableName", 0, Use::protocol_log, "", ""},
    {"LogOdbcUserName", 0, Use::protocol_log, "", ""},
};

// Names compare without case. This runs for every remark: a hash, and nothing copied.
struct FoldedHash {
  size_t operator()(std::string_view name) const {
    uint64_t hash = 0xcbf29ce484222325;  // FNV-1a
    for (const char c : name)
      hash = (hash ^ (static_cast<unsigned char>(c) | 0x20)) * 0x100000001b3;
    return hash;
  }
};
struct FoldedEqual {
  bool operator()(std::string_view a, std::string_view b) const {
    return equals_ignoring_case(a, b);
  }
};

std::string_view default_of(const KnownProperty& known, bool has_service) {
  return has_service || known.setup.empty() ? known.schema : known.setup;
}

}  // namespace

const KnownProperty* known_property(std::string_view name) {
  using Names = std::unordered_map<std::string_view, const KnownProperty*, FoldedHash, FoldedEqual>;
  static const Names by_name = [] {
    Names out;
    for (const auto& known : kKnown) out.emplace(known.name, &known);
    return out;
  }();
  const auto found = by_name.find(name);
  return found == by_name.end() ? nullptr : found->second;
}

const KnownProperty* known_property(const Property& property) {
  if (const auto* known = known_property(property.name)) return known;
  if (!property.custom || property.id == 0) return nullptr;
  for (const auto& known : kKnown) {
    if (known.id == property.id) return &known;
  }
  return nullptr;
}

Properties::Properties(const Key& own, const Key* service)
    : own_(own), service_(service), asked_(own.properties.size()) {}

namespace {

// Custom elements are how IIS writes a property that the schema does not have for this key.
size_t index_of(const Key& key, std::string_view name) {
  bool has_custom = false;
  for (size_t i = 0; i < key.properties.size(); ++i) {
    if (equals_ignoring_case(key.properties[i].name, name)) return i;
    has_custom = has_custom || key.properties[i].custom;
  }
  const KnownProperty* const known = has_custom ? known_property(name) : nullptr;
  if (known == nullptr || known->id == 0) return key.properties.size();
  for (size_t i = 0; i < key.properties.size(); ++i) {
    if (key.properties[i].custom && key.properties[i].id == known->id) return i;
  }
  return key.properties.size();
}

}  // namespace

std::optional<Setting> Properties::written(std::string_view name) {
  const size_t own = index_of(own_, name);
  if (own < own_.properties.size()) {
    asked_[own] = true;
    return Setting{name, own_.properties[own].value, Origin::own};
  }
  if (service_ == nullptr) return std::nullopt;
  const size_t inherited = index_of(*service_, name);
  if (inherited == service_->properties.size()) return std::nullopt;
  return Setting{name, service_->properties[inherited].value, Origin::inherited};
}

std::optional<Setting> Properties::effective(std::string_view name) {
  if (auto setting = written(name)) return setting;
  const KnownProperty* known = known_property(name);
  if (known == nullptr) return std::nullopt;
  const std::string_view value = default_of(*known, service_ != nullptr);
  if (value.empty()) return std::nullopt;
  return Setting{name, value, service_ != nullptr ? Origin::schema : Origin::setup};
}

std::vector<const Property*> Properties::left_over() const {
  std::vector<const Property*> out;
  for (size_t i = 0; i < asked_.size(); ++i) {
    if (!asked_[i]) out.push_back(&own_.properties[i]);
  }
  return out;
}

bool is_true(const Setting& setting) {
  if (equals_ignoring_case(trim(setting.value), "TRUE")) return true;
  return parse_dword(setting.value).value_or(0) != 0;
}

uint32_t parse_flags(std::string_view text, const std::vector<FlagName>& names) {
  if (const auto number = parse_dword(text)) return *number;
  uint32_t out = 0;
  while (!text.empty()) {
    const size_t bar = std::min(text.find('|'), text.size());
    for (const FlagName& flag : names) {
      if (equals_ignoring_case(trim(text.substr(0, bar)), flag.name)) out |= flag.bit;
    }
    text.remove_prefix(std::min(bar + 1, text.size()));
  }
  return out;
}

}  // namespace mailroot::import
