// What to do about the errors of token endpoints: Microsoft's AADSTS numbers, Google's words.
#include <array>

#include "mailroot/oauth/token_answer.h"

namespace mailroot::oauth {

namespace {

struct Remedy {
  std::string_view error;  // empty: any
  std::string_view words;  // in the description
  std::string_view sentence;
};

// The first that fits.
constexpr std::array kRemedies = {
    Remedy{"", "AADSTS7000215",
           "the client secret is wrong: client_secret_file needs the secret's value, not its id"},
    Remedy{"", "AADSTS7000222",
           "the client secret has expired: make a new one in the app registration and write it to "
           "client_secret_file"},
    Remedy{"", "AADSTS700016",
           "no application with this client_id in this tenant: compare both with the app "
           "registration"},
    Remedy{"", "AADSTS90002", "there is no such tenant: correct oauth.tenant"},
    Remedy{"", "AADSTS900023", "oauth.tenant is neither a tenant's id nor one of its domains"},
    Remedy{"", "AADSTS700027",
           "the certificate is not registered: upload it in the app registration"},
    Remedy{"", "AADSTS700024", "this machine's clock is wrong: check time synchronisation"},
    Remedy{"", "AADSTS700082",
           "the refresh token was unused for too long: run mailrootctl oauth login"},
    Remedy{"", "AADSTS70008", "the refresh token has expired: run mailrootctl oauth login"},
    Remedy{"", "AADSTS50173",
           "the refresh token was revoked (password changed?): run mailrootctl oauth login"},
    Remedy{"", "AADSTS65001",
           "nobody has consented: grant admin consent for SMTP.SendAsApp (or SMTP.Send)"},
    Remedy{"", "AADSTS70011",
           "the scope is wrong: client credentials take https://outlook.office365.com/.default"},
    Remedy{"", "AADSTS1002012",
           "the scope is wrong: client credentials take https://outlook.office365.com/.default"},
    Remedy{"", "AADSTS53003", "a conditional access policy of the tenant forbids this login"},
    Remedy{"", "AADSTS7000112", "the application is disabled in this tenant"},
    Remedy{"invalid_grant", "Invalid JWT",
           "this machine's clock is wrong, or the key is of another service account"},
    Remedy{"invalid_grant", "Invalid JWT Signature",
           "the key of the service account was deleted: make a new one"},
    Remedy{"invalid_grant", "Invalid email or User ID",
           "username is no mailbox of this Google Workspace"},
    Remedy{"invalid_grant", "account not found", "the service account was deleted"},
    Remedy{"invalid_grant", "expired or revoked",
           "the refresh token was revoked or has expired: log in anew"},
    Remedy{"unauthorized_client", "Client is unauthorized to retrieve access tokens",
           "allow the service account's client id with scope https://mail.google.com/ under "
           "domain-wide delegation in the Google admin console"},
    Remedy{"invalid_client", "", "client_id or client secret is wrong"},
    Remedy{"invalid_grant", "", "the refresh token or assertion is not valid any more"},
    Remedy{"unauthorized_client", "", "the application is not allowed to use this grant"},
    Remedy{"invalid_scope", "", "correct oauth.scope"},
    Remedy{"unsupported_grant_type", "",
           "the endpoint does not know this grant: is token_url right?"},
};

}  // namespace

std::string_view remedy_of(std::string_view error, std::string_view description) {
  for (const Remedy& remedy : kRemedies) {
    const bool is_error = remedy.error.empty() || remedy.error == error;
    const bool has_words = remedy.words.empty() || description.contains(remedy.words);
    if (is_error && has_words) return remedy.sentence;
  }
  return {};
}

}  // namespace mailroot::oauth
