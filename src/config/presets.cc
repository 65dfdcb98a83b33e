#include "presets.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace mailroot::config {

namespace {

constexpr uint16_t kSubmission = 587;  // RFC 6409 3.1

enum class Region : uint8_t { none, optional, required };

struct Preset {
  std::string_view name;
  std::string_view host;           // {} is the region
  std::string_view regional_host;  // with an optional region
  Region region;
  bool takes_tokens;
  std::string_view username;  // when there is only one
};

constexpr std::array kPresets = {
    Preset{"microsoft365", "smtp.office365.com", "", Region::none, true, ""},
    Preset{"google", "smtp.gmail.com", "", Region::none, true, ""},
    Preset{"amazon-ses", "", "email-smtp.{}.amazonaws.com", Region::required, false, ""},
    Preset{"sendgrid", "smtp.sendgrid.net", "smtp.{}.sendgrid.net", Region::optional, false,
           "apikey"},
    Preset{"mailgun", "smtp.mailgun.org", "smtp.{}.mailgun.org", Region::optional, false, ""},
};

const Preset* find_preset(std::string_view name) {
  const auto found = std::ranges::find(kPresets, name, &Preset::name);
  return found == kPresets.end() ? nullptr : &*found;
}

bool is_region(std::string_view text) {
  return !text.empty() && text.size() <= 32 && text.front() != '-' &&
         text.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") == text.npos;
}

std::string_view name_of(std::string_view text) { return text.substr(0, text.find(':')); }

bool has_files_of(const Login& login, OAuthGrant grant) {
  return grant == OAuthGrant::refresh_token ? !login.oauth.refresh_token_file.empty()
                                            : !login.oauth.service_account_file.empty();
}

}  // namespace

std::optional<SmartHost> parse_preset(std::string_view text) {
  const Preset* const preset = find_preset(name_of(text));
  if (preset == nullptr) return std::nullopt;
  const bool has_region = text.contains(':');
  const std::string_view region = has_region ? text.substr(text.find(':') + 1) : "";
  if (has_region && !is_region(region)) return std::nullopt;
  if (has_region ? preset->region == Region::none : preset->region == Region::required) {
    return std::nullopt;
  }
  SmartHost out;
  std::string host(has_region ? preset->regional_host : preset->host);
  if (const size_t at = host.find("{}"); at != host.npos) host.replace(at, 2, region);
  out.host = std::move(host);
  out.is_literal = true;  // these names have addresses and no MX
  out.port = kSubmission;
  out.preset = text;
  return out;
}

bool mixes_presets(const std::vector<SmartHost>& hosts) {
  return hosts.size() > 1 &&
         std::ranges::any_of(hosts, [](const SmartHost& host) { return !host.preset.empty(); });
}

void apply_preset(const std::vector<SmartHost>& hosts, Login& login, Security& security,
                  const std::string& section, const Context& context) {
  const auto was_set = [&](const char* key) { return context.was_set(section + "." + key); };
  // What the files say about the grant holds with and without a preset.
  if (!was_set("oauth.grant")) {
    for (const OAuthGrant grant : {OAuthGrant::refresh_token, OAuthGrant::service_account}) {
      if (has_files_of(login, grant)) login.oauth.grant = grant;
    }
  }
  if (hosts.size() != 1 || hosts.front().preset.empty()) return;
  const Preset& preset = *find_preset(name_of(hosts.front().preset));
  if (!was_set("tls")) security.tls = OutboundTls::verified;
  if (login.username.empty()) login.username = preset.username;
  if (!was_set("authentication")) {
    const bool by_token = preset.takes_tokens && login.password_file.empty();
    login.method = by_token ? LoginMethod::oauth2 : LoginMethod::automatic;
  }
  if (login.method != LoginMethod::oauth2) return;
  OAuth& oauth = login.oauth;
  if (preset.name == "google" && oauth.token_url.empty()) {
    oauth.token_url = "https://oauth2.googleapis.com/token";
  }
  // One of its domains names a tenant as well as its id does.
  if (preset.name == "microsoft365" && oauth.tenant.empty() && oauth.token_url.empty()) {
    const size_t at = login.username.rfind('@');
    if (at != std::string::npos) oauth.tenant = login.username.substr(at + 1);
  }
}

}  // namespace mailroot::config
