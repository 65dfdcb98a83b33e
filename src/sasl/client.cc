// Names, choice and start of the client's mechanisms.
#include "mailroot/sasl/client.h"

#include <algorithm>
#include <array>

#include "client_exchanges.h"
#include "mailroot/sasl/scram.h"

namespace mailroot::sasl {

namespace {

constexpr std::array<std::string_view, 6> kNames = {"PLAIN",         "LOGIN",   "CRAM-MD5",
                                                    "SCRAM-SHA-256", "XOAUTH2", "OAUTHBEARER"};

bool offers(std::string_view offered, std::string_view name) {
  while (!offered.empty()) {
    const size_t end = std::min(offered.find(' '), offered.size());
    if (offered.substr(0, end) == name) return true;
    offered.remove_prefix(std::min(end + 1, offered.size()));
  }
  return false;
}

// RFC 6750 2.1: b64token, and what JSON web tokens need is part of it.
bool is_bearer_token(std::string_view text) {
  return !text.empty() &&
         std::ranges::all_of(text, [](char c) { return c > 0x20 && c < 0x7F && c != ','; });
}

}  // namespace

std::string_view to_string(ClientMechanism mechanism) {
  return kNames[static_cast<size_t>(mechanism)];
}

bool reveals_secret(ClientMechanism mechanism) {
  return mechanism != ClientMechanism::cram_md5 && mechanism != ClientMechanism::scram_sha_256;
}

std::string wrong_with(ClientMechanism mechanism, const ClientLogin& login) {
  if (!check_name(login.username)) return "the user name is empty or has control characters";
  const std::string& secret = login.secret.reveal();
  if (mechanism == ClientMechanism::xoauth2 || mechanism == ClientMechanism::oauthbearer) {
    return is_bearer_token(secret) ? "" : "the token is empty or has characters no token has";
  }
  return check_name(secret) ? "" : "the password is empty or has control characters";
}

std::optional<ClientMechanism> choose_mechanism(std::span<const ClientMechanism> wanted,
                                                std::string_view offered, bool may_reveal) {
  for (const ClientMechanism mechanism : wanted) {
    if (!may_reveal && reveals_secret(mechanism)) continue;
    if (offers(offered, to_string(mechanism))) return mechanism;
  }
  return std::nullopt;
}

std::unique_ptr<ClientExchange> start_client(ClientMechanism mechanism, const ClientLogin& login) {
  switch (mechanism) {
    case ClientMechanism::plain:
      return start_plain(login);
    case ClientMechanism::login:
      return start_login(login);
    case ClientMechanism::cram_md5:
      return start_cram_md5(login);
    case ClientMechanism::scram_sha_256:
      return start_scram_sha_256(login);
    case ClientMechanism::xoauth2:
      return start_xoauth2(login);
    case ClientMechanism::oauthbearer:
      break;
  }
  return start_oauthbearer(login);
}

std::string printable(std::string_view text, size_t most) {
  std::string out(text.substr(0, most));
  for (char& c : out) {
    if (c < 0x20 || c > 0x7E) c = '?';
  }
  return out;
}

}  // namespace mailroot::sasl
