#include "mailroot/oauth/token_request.h"

#include <fmt/format.h>

#include "json.h"
#include "mailroot/config/secret_file.h"
#include "mailroot/oauth/jwt.h"
#include "mailroot/oauth/limits.h"

namespace mailroot::oauth {

namespace {

using config::OAuth;
using config::OAuthGrant;
using Fields = std::vector<std::pair<std::string_view, std::string_view>>;

std::unexpected<Refusal> refuse(std::string_view key, const std::string& path,
                                std::string_view why) {
  Refusal refusal;
  refusal.text = fmt::format("{} {} {}", key, path, why);
  refusal.is_final = true;
  return std::unexpected(std::move(refusal));
}

std::string random_id(const RequestMoment& moment) {
  return fmt::format("{:016x}{:016x}", moment.random[0], moment.random[1]);
}

Assertion assertion_at(const RequestMoment& moment) {
  Assertion assertion;
  assertion.id = random_id(moment);
  assertion.not_before = moment.wall_seconds - kAssertionBeforeSeconds;
  assertion.expires = moment.wall_seconds + kAssertionLifetimeSeconds;
  return assertion;
}

// RFC 7523 2.2, as Microsoft wants it.
std::expected<std::string, Refusal> client_assertion(const OAuth& settings,
                                                     const RequestMoment& moment) {
  const auto certificate = config::read_secret_file(settings.certificate);
  if (!certificate) return refuse("oauth.certificate", settings.certificate, certificate.error());
  const auto key = config::read_secret_file(settings.key);
  if (!key) return refuse("oauth.key", settings.key, key.error());
  const auto thumbprint = thumbprint_of(certificate->reveal());
  if (!thumbprint) return refuse("oauth.certificate", settings.certificate, thumbprint.error());
  Assertion assertion = assertion_at(moment);
  assertion.algorithm = Algorithm::ps256;
  assertion.thumbprint = *thumbprint;
  assertion.issuer = assertion.subject = settings.client_id;
  assertion.audience = settings.token_url;
  auto signed_text = sign_assertion(assertion, key->reveal());
  if (!signed_text) return refuse("oauth.key", settings.key, signed_text.error());
  return std::move(*signed_text);
}

// RFC 7523 2.1, as Google does it: on behalf of the mailbox.
std::expected<http::Request, Refusal> service_account_request(const OAuth& settings,
                                                              const std::string& username,
                                                              const RequestMoment& moment) {
  const std::string& path = settings.service_account_file;
  constexpr std::string_view kKey = "oauth.service_account_file";
  const auto text = config::read_secret_file(path);
  if (!text) return refuse(kKey, path, text.error());
  const auto object = parse_object(text->reveal());
  if (!object) return refuse(kKey, path, "is no JSON object");
  const auto email = text_of(*object, "client_email", kWordsMax);
  const auto found = object->find("private_key");
  if (!email || found == object->end() || !found->is_string()) {
    return refuse(kKey, path, "has no client_email or no private_key");
  }
  Assertion assertion = assertion_at(moment);
  assertion.key_id = text_of(*object, "private_key_id", kWordsMax).value_or("");
  assertion.issuer = *email;
  assertion.subject = username;
  assertion.scope = settings.scope;
  assertion.audience = settings.token_url;
  const auto signed_text = sign_assertion(assertion, found->get_ref<const std::string&>());
  if (!signed_text) return refuse(kKey, path, "has a private_key that " + signed_text.error());
  return form_request(settings.token_url,
                      encode_form({{"grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"},
                                   {"assertion", *signed_text}}));
}

}  // namespace

std::string encode_form(const Fields& fields) {
  std::string out;
  const auto encode = [&out](std::string_view text) {
    for (const char c : text) {
      const bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                            (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '*';
      if (is_plain) {
        out += c;
      } else if (c == ' ') {
        out += '+';
      } else {
        out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
      }
    }
  };
  for (const auto& [name, value] : fields) {
    if (!out.empty()) out += '&';
    encode(name);
    out += '=';
    encode(value);
  }
  return out;
}

http::Request form_request(const std::string& url, std::string form) {
  http::Request request;
  request.url = url;
  request.body = std::move(form);
  request.headers = {"Content-Type: application/x-www-form-urlencoded", "Accept: application/json"};
  request.timeout = kRequestTimeout;
  request.body_bytes_max = kAnswerBytesMax;
  return request;
}

std::expected<http::Request, Refusal> make_token_request(const OAuth& settings,
                                                         const std::string& username,
                                                         const sasl::Secret& refresh_token,
                                                         const RequestMoment& moment) {
  if (settings.grant == OAuthGrant::service_account) {
    return service_account_request(settings, username, moment);
  }
  const bool is_refresh = settings.grant == OAuthGrant::refresh_token;
  Fields fields = {{"grant_type", is_refresh ? "refresh_token" : "client_credentials"},
                   {"client_id", settings.client_id},
                   {"scope", settings.scope}};
  sasl::Secret refresh = refresh_token;
  if (is_refresh) {
    if (refresh.empty()) {
      auto stored = config::read_secret_line(settings.refresh_token_file);
      if (!stored) {
        return refuse("oauth.refresh_token_file", settings.refresh_token_file, stored.error());
      }
      refresh = std::move(*stored);
    }
    fields.emplace_back("refresh_token", refresh.reveal());
  }
  sasl::Secret secret;
  if (!settings.client_secret_file.empty()) {
    auto stored = config::read_secret_line(settings.client_secret_file);
    if (!stored) {
      return refuse("oauth.client_secret_file", settings.client_secret_file, stored.error());
    }
    secret = std::move(*stored);
    fields.emplace_back("client_secret", secret.reveal());
  }
  std::string assertion;
  if (!settings.certificate.empty()) {
    auto made = client_assertion(settings, moment);
    if (!made) return std::unexpected(std::move(made.error()));
    assertion = std::move(*made);
    fields.emplace_back("client_assertion_type",
                        "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
    fields.emplace_back("client_assertion", assertion);
  }
  return form_request(settings.token_url, encode_form(fields));
}

}  // namespace mailroot::oauth
