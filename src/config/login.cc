#include <fmt/format.h>

#include "login_checks.h"
#include "mailroot/config/secret_file.h"
#include "mailroot/sasl/scram.h"

namespace mailroot::config {

namespace {

using sasl::ClientMechanism;

constexpr std::string_view kMicrosoft = "https://login.microsoftonline.com/";
constexpr std::string_view kGoogleToken = "https://oauth2.googleapis.com/token";
constexpr std::string_view kGoogleDevice = "https://oauth2.googleapis.com/device/code";
constexpr std::string_view kGoogleScope = "https://mail.google.com/";

bool needs_password(LoginMethod method) {
  return method != LoginMethod::none && method != LoginMethod::oauth2;
}

bool is_token_url(std::string_view url) {
  for (const std::string_view start : {"https://", "http://127.", "http://[::1]:"}) {
    if (url.starts_with(start) && url.size() > start.size()) return true;
  }
  return false;
}

// Letters, digits, dots and hyphens: it becomes part of a URL.
bool is_tenant(std::string_view text) {
  return text.find_first_not_of(
             "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-") == text.npos;
}

class LoginCheck {
 public:
  LoginCheck(const Login& login, const std::string& section, Context& context)
      : login_(login), section_(section), context_(context) {}

  void run() {
    if (login_.method == LoginMethod::none) return;
    if (login_.username.empty()) need("username", "says who logs in");
    if (needs_password(login_.method)) {
      if (login_.password_file.empty()) need("password_file", "names the file with the password");
      return;
    }
    check_oauth();
  }

 private:
  void need(const std::string& key, std::string_view what) {
    context_.complain_at_key(section_ + ".authentication",
                             fmt::format("needs {}.{} beside it, which {}", section_, key, what));
  }
  void complain(const std::string& key, const std::string& text) {
    context_.complain_at_key(section_ + "." + key, text);
  }

  void check_oauth() {
    const OAuth& oauth = login_.oauth;
    if (!is_tenant(oauth.tenant)) complain("oauth.tenant", "is neither an id nor a domain");
    if (oauth.token_url.empty()) {
      need("oauth.tenant (Microsoft) or oauth.token_url", "says where tokens come from");
    } else if (!is_token_url(oauth.token_url)) {
      complain("oauth.token_url", "is not https (http is for loopback addresses only)");
    }
    if (oauth.certificate.empty() != oauth.key.empty()) {
      complain(oauth.key.empty() ? "oauth.certificate" : "oauth.key",
               "certificate and key belong together");
    }
    switch (oauth.grant) {
      case OAuthGrant::client_credentials:
        if (oauth.client_id.empty()) need("oauth.client_id", "names the application");
        if (oauth.client_secret_file.empty() == oauth.certificate.empty()) {
          need("oauth.client_secret_file or oauth.certificate", "proves it; one of the two");
        }
        break;
      case OAuthGrant::refresh_token:
        if (oauth.client_id.empty()) need("oauth.client_id", "names the application");
        if (oauth.refresh_token_file.empty()) {
          need("oauth.refresh_token_file", "mailrootctl oauth login writes");
        }
        break;
      case OAuthGrant::service_account:
        if (oauth.service_account_file.empty()) {
          need("oauth.service_account_file", "Google makes");
        }
        break;
    }
  }

  const Login& login_;
  const std::string& section_;
  Context& context_;
};

void warn(std::vector<std::string>& warnings, const Context& context, const std::string& key,
          std::string_view text) {
  warnings.push_back(fmt::format("{}: {}: {}", context.place_of_key(key).to_string(), key, text));
}

}  // namespace

std::vector<sasl::ClientMechanism> mechanisms_of(LoginMethod method) {
  switch (method) {
    case LoginMethod::none:
      return {};
    case LoginMethod::automatic:
      return {ClientMechanism::scram_sha_256, ClientMechanism::plain, ClientMechanism::login,
              ClientMechanism::cram_md5};
    case LoginMethod::plain:
      return {ClientMechanism::plain};
    case LoginMethod::login:
      return {ClientMechanism::login};
    case LoginMethod::cram_md5:
      return {ClientMechanism::cram_md5};
    case LoginMethod::scram_sha_256:
      return {ClientMechanism::scram_sha_256};
    case LoginMethod::oauth2:
      return {ClientMechanism::xoauth2, ClientMechanism::oauthbearer};
  }
  return {};
}

void complete_login(Login& login) {
  if (login.method != LoginMethod::oauth2) return;
  OAuth& oauth = login.oauth;
  const std::string microsoft = fmt::format("{}{}/oauth2/v2.0/", kMicrosoft, oauth.tenant);
  if (!oauth.tenant.empty() && oauth.token_url.empty()) {
    oauth.token_url = microsoft + "token";
    if (oauth.device_url.empty()) oauth.device_url = microsoft + "devicecode";
  }
  if (oauth.grant == OAuthGrant::service_account) {
    if (oauth.token_url.empty()) oauth.token_url = kGoogleToken;
    if (oauth.scope.empty()) oauth.scope = kGoogleScope;
  }
  if (oauth.token_url == kGoogleToken) {
    if (oauth.device_url.empty()) oauth.device_url = kGoogleDevice;
    if (oauth.scope.empty()) oauth.scope = kGoogleScope;
  }
  if (oauth.scope.empty()) {
    oauth.scope = oauth.grant == OAuthGrant::client_credentials
                      ? "https://outlook.office365.com/.default"
                      : "https://outlook.office.com/SMTP.Send offline_access";
  }
}

std::string section_of_domain(size_t index) { return fmt::format("domains[{}].security", index); }

void check_login(const Login& login, const std::string& section, Context& context) {
  LoginCheck(login, section, context).run();
}

void load_login(Login& login, const std::string& section, const Context& context,
                std::vector<std::string>& warnings) {
  if (login.method == LoginMethod::none) return;
  if (login.allow_clear) {
    warn(warnings, context, section + ".allow_clear",
         "whoever listens on the way to the next hop learns the secret");
  }
  const OAuth& oauth = login.oauth;
  const std::pair<std::string_view, const std::string&> files[] = {
      {"password_file", login.password_file},
      {"oauth.client_secret_file", oauth.client_secret_file},
      {"oauth.key", oauth.key},
      {"oauth.refresh_token_file", oauth.refresh_token_file},
      {"oauth.service_account_file", oauth.service_account_file}};
  std::string digests;
  for (const auto& [name, path] : files) {
    if (path.empty()) continue;
    const std::string key = fmt::format("{}.{}", section, name);
    const auto secret = read_secret_file(path);
    if (secret) digests += sasl::as_text(sasl::sha256(secret->reveal()));
    std::string why = secret ? secret_file_warning(path) : secret.error();
    if (why.empty()) continue;
    why = fmt::format("{} {}", path, why);
    warn(warnings, context, key, secret ? why : why + "; mail for this next hop waits");
  }
  login.secrets_digest = sasl::as_text(sasl::sha256(digests));
  if (!needs_password(login.method) || login.password_file.empty()) return;
  auto password = read_secret_line(login.password_file);
  if (password) {
    login.password = std::move(*password);
  } else {
    login.problem =
        fmt::format("{}.password_file {} {}", section, login.password_file, password.error());
    if (read_secret_file(login.password_file)) {
      warn(warnings, context, section + ".password_file",
           fmt::format("{} {}; mail for this next hop waits", login.password_file,
                       password.error()));
    }
  }
}

}  // namespace mailroot::config
