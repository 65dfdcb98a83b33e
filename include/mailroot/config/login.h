// How to log in at next hops (delivery.security, domains[].security), as a value.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "mailroot/sasl/client.h"
#include "mailroot/sasl/secret.h"

namespace mailroot::config {

enum class LoginMethod : uint8_t {
  none,
  automatic,  // the best password mechanism the server offers
  plain,
  login,
  cram_md5,
  scram_sha_256,
  oauth2,  // XOAUTH2 or OAUTHBEARER with a token
};

enum class OAuthGrant : uint8_t {
  client_credentials,  // RFC 6749 4.4: by secret, or by certificate (RFC 7523)
  refresh_token,       // RFC 6749 6
  service_account,     // RFC 7523 2.1, as Google does it
};

// Where tokens come from. Secrets stay in their files, read at each request for a token.
struct OAuth {
  OAuthGrant grant = OAuthGrant::client_credentials;
  std::string token_url;  // after load never empty where it is needed, nor is scope
  std::string device_url;
  std::string tenant;
  std::string client_id;
  std::string client_secret_file;
  std::string certificate, key;  // PEM files; instead of a secret
  std::string refresh_token_file;
  std::string service_account_file;
  std::string scope;
  friend bool operator==(const OAuth&, const OAuth&) = default;
};

struct Login {
  LoginMethod method = LoginMethod::none;
  std::string username;
  std::string password_file;
  bool allow_clear = false;  // also without TLS
  OAuth oauth;
  // Found at load, and at each reload.
  sasl::Secret password;
  std::string problem;         // why there is no password: mail waits, and is told this
  std::string secrets_digest;  // of all files with secrets: whether one was replaced
  friend bool operator==(const Login&, const Login&) = default;
};

// The mechanisms of a method, the best one first.
std::vector<sasl::ClientMechanism> mechanisms_of(LoginMethod method);

}  // namespace mailroot::config
