// The keys of a login at next hops: delivery.security of a server, security of a domain.
#include "keys_login.h"

#include "mailroot/config/limits.h"

namespace mailroot::config {

namespace {

Login& login_of(VirtualServer& server) { return server.delivery.login; }
const Login& login_of(const VirtualServer& server) { return server.delivery.login; }
Login& login_of(Domain& domain) { return domain.login; }
const Login& login_of(const Domain& domain) { return domain.login; }

template <class S, class T>
struct LoginMember {
  using Record = S;
  using Type = T;
  T Login::* member;
  auto& of(auto& record) const { return login_of(record).*member; }
};
template <class S, class T>
struct OAuthMember {
  using Record = S;
  using Type = T;
  T OAuth::* member;
  auto& of(auto& record) const { return login_of(record).oauth.*member; }
};

template <class S, class T>
LoginMember<S, T> in(T Login::* member) {
  return {member};
}
template <class S, class T>
OAuthMember<S, T> in(T OAuth::* member) {
  return {member};
}

template <class S>
std::vector<Key<S>> login_keys() {
  return {
      {"delivery.security.authentication",
       choice(in<S>(&Login::method), {{"none", LoginMethod::none},
                                      {"auto", LoginMethod::automatic},
                                      {"plain", LoginMethod::plain},
                                      {"login", LoginMethod::login},
                                      {"cram-md5", LoginMethod::cram_md5},
                                      {"scram-sha-256", LoginMethod::scram_sha_256},
                                      {"oauth2", LoginMethod::oauth2}}),
       Reload::live,
       "How to log in there. auto: the best password mechanism the host offers; oauth2: XOAUTH2 or "
       "OAUTHBEARER with a token."},
      {"delivery.security.username", text(in<S>(&Login::username), kTextMax), Reload::live,
       "Who logs in: for Microsoft 365 and Gmail the mailbox that sends."},
      {"delivery.security.password_file", file(in<S>(&Login::password_file)), Reload::live,
       "File with the password in one line; read at start and at reload."},
      {"delivery.security.allow_clear", boolean(in<S>(&Login::allow_clear)), Reload::live,
       "Show password or token also where the connection is not encrypted: for test hosts and for "
       "networks that nobody else can listen to."},
      {"delivery.security.oauth.grant",
       choice(in<S>(&OAuth::grant), {{"client-credentials", OAuthGrant::client_credentials},
                                     {"refresh-token", OAuthGrant::refresh_token},
                                     {"service-account", OAuthGrant::service_account}}),
       Reload::live,
       "How tokens are got. client-credentials: by client_secret_file, or by certificate and key. "
       "refresh-token: mailrootctl oauth login makes the file. service-account: Google's file."},
      {"delivery.security.oauth.tenant", text(in<S>(&OAuth::tenant), kTextMax), Reload::live,
       "Microsoft: the tenant's id or one of its domains; sets token_url and device_url."},
      {"delivery.security.oauth.client_id", text(in<S>(&OAuth::client_id), kTextMax), Reload::live,
       "Id of the application."},
      {"delivery.security.oauth.client_secret_file", file(in<S>(&OAuth::client_secret_file)),
       Reload::live, "File with its secret in one line; read for each token."},
      {"delivery.security.oauth.certificate", file(in<S>(&OAuth::certificate)), Reload::live,
       "PEM file: a certificate of the application, instead of a secret."},
      {"delivery.security.oauth.key", file(in<S>(&OAuth::key)), Reload::live,
       "PEM file: its private key (RSA, without a passphrase)."},
      {"delivery.security.oauth.refresh_token_file", file(in<S>(&OAuth::refresh_token_file)),
       Reload::live,
       "File with the refresh token; written anew when the token changes, so its directory must be "
       "writable for the service."},
      {"delivery.security.oauth.service_account_file", file(in<S>(&OAuth::service_account_file)),
       Reload::live, "JSON file with a key of a Google service account."},
      {"delivery.security.oauth.token_url", text(in<S>(&OAuth::token_url), kTextMax), Reload::live,
       "Where tokens come from; https, or http to a loopback address."},
      {"delivery.security.oauth.device_url", text(in<S>(&OAuth::device_url), kTextMax),
       Reload::live, "Where mailrootctl oauth login begins."},
      {"delivery.security.oauth.scope", text(in<S>(&OAuth::scope), kTextMax), Reload::live,
       "What the token is for."},
  };
}

}  // namespace

std::vector<Key<VirtualServer>> server_login_keys() { return login_keys<VirtualServer>(); }

std::vector<Key<Domain>> domain_login_keys() {
  std::vector<Key<Domain>> keys = login_keys<Domain>();
  for (Key<Domain>& key : keys) key.path.remove_prefix(std::string_view("delivery.").size());
  return keys;
}

}  // namespace mailroot::config
