// AUTH (RFC 4954): the mechanism both sides know, the exchange, and words for every way it fails.
// A failed login is our administrator's matter, not the sender's: mail is deferred, never returned.
#include <algorithm>

#include "client_limits.h"
#include "client_state.h"
#include "mailroot/base/base64.h"
#include "mailroot/sasl/scram.h"

namespace mailroot::smtp {

namespace {

// RFC 4954 4: a command line with AUTH may have 12288 octets, but servers exist that keep to 512
// of RFC 5321. Tokens are longer than that, and who takes tokens takes long lines.
constexpr size_t kShortLineMax = 510;

bool is_token(sasl::ClientMechanism mechanism) {
  return mechanism == sasl::ClientMechanism::xoauth2 ||
         mechanism == sasl::ClientMechanism::oauthbearer;
}

// The mechanism, not the secret, is what the server has no use for (RFC 4954 6).
bool wants_other_mechanism(const Reply& reply) {
  return reply.code == 504 || reply.code == 534 || reply.code == 500 || reply.code == 502;
}

std::string names_of(const std::vector<sasl::ClientMechanism>& mechanisms) {
  std::string out;
  for (const sasl::ClientMechanism mechanism : mechanisms) {
    if (!out.empty()) out += ' ';
    out += sasl::to_string(mechanism);
  }
  return out;
}

DeliveryOutcome login_outcome(std::string_view text) {
  return local_outcome(Disposition::deferred, Stage::authenticate, OutcomeScope::connection,
                       "4.7.0", text);
}

}  // namespace

void ClientSession::State::authenticate(ClientActions& actions) {
  if (rules.authentication == nullptr) {
    become_ready(actions);
    return;
  }
  const ClientAuthentication& wanted = *rules.authentication;
  if (offers.authentication.empty()) {
    const bool tls_first = !tls_active && offers.start_tls;
    fail_login(login_outcome(tls_first ? "the server offers AUTH only after STARTTLS, and TLS is "
                                         "off for it"
                                       : "a login is configured, and the server offers no AUTH"),
               actions);
    return;
  }
  mechanisms_left = wanted.mechanisms;
  const bool may_reveal = tls_active || wanted.allow_clear;
  if (const auto found =
          sasl::choose_mechanism(mechanisms_left, offers.authentication, may_reveal)) {
    start_exchange(*found, actions);
    return;
  }
  const auto in_clear = sasl::choose_mechanism(mechanisms_left, offers.authentication, true);
  if (in_clear) {
    fail_login(login_outcome("the connection is not encrypted, and " +
                             std::string(sasl::to_string(*in_clear)) +
                             " would show the secret to whoever listens"),
               actions);
    return;
  }
  fail_login(login_outcome("the server offers AUTH " + offers.authentication +
                           ", and the configuration allows " + names_of(mechanisms_left)),
             actions);
}

void ClientSession::State::start_exchange(sasl::ClientMechanism chosen, ClientActions& actions) {
  const sasl::ClientLogin& login = rules.authentication->login;
  std::erase(mechanisms_left, chosen);
  mechanism = chosen;
  challenges = 0;
  const std::string wrong = sasl::wrong_with(chosen, login);
  if (!wrong.empty()) {
    fail_login(
        login_outcome("cannot log in by " + std::string(sasl::to_string(chosen)) + ": " + wrong),
        actions);
    return;
  }
  exchange = sasl::start_client(chosen, login);
  std::string command = "AUTH ";
  command += sasl::to_string(chosen);
  // PLAIN too long for a line waits for its empty challenge.
  const size_t initial_max = is_token(chosen) ? sasl::kChallengeBytesMax : kShortLineMax;
  std::string initial;
  const size_t estimate = login.username.size() + login.secret.reveal().size();
  if (chosen == sasl::ClientMechanism::scram_sha_256 || (estimate + 4) * 4 / 3 < initial_max - 32) {
    if (auto response = exchange->initial_response()) {
      initial = response->empty() ? "=" : encode_base64(*response);
      sasl::wipe(*response);
    }
  }
  if (initial.empty()) {
    send(command, Awaited::auth, actions);
    return;
  }
  send_hidden(command + ' ', initial, actions);
  sasl::wipe(initial);
}

void ClientSession::State::send_hidden(std::string_view open, std::string_view secret,
                                       ClientActions& actions) {
  actions.send += open;
  if (!secret.empty()) actions.hidden.push_back({actions.send.size(), secret.size()});
  actions.send += secret;
  actions.send += "\r\n";
  awaited.push_back(Awaited::auth);
}

void ClientSession::State::take_auth(const Reply& reply, bool cancelled, ClientActions& actions) {
  awaited.pop_front();
  if (reply.first_digit() == 3 && !cancelled) {
    answer_challenge(reply, actions);
    return;
  }
  const std::string name(sasl::to_string(mechanism));
  if (cancelled) {
    const DeliveryOutcome outcome = login_outcome("login by " + name + " given up: " + given_up);
    fail_login(outcome, actions);
    return;
  }
  if (reply.is_positive()) {
    const std::string doubt = exchange->doubt_of_success();
    exchange.reset();
    if (doubt.empty()) {
      become_ready(actions);
    } else {
      fail_login(login_outcome("login by " + name + " is not believed: " + doubt), actions);
    }
    return;
  }
  const std::string server_error = exchange->server_error();
  exchange.reset();
  if (wants_other_mechanism(reply)) {
    const bool may_reveal = tls_active || rules.authentication->allow_clear;
    const auto next = sasl::choose_mechanism(mechanisms_left, offers.authentication, may_reveal);
    if (next) {
      start_exchange(*next, actions);
      return;
    }
  }
  DeliveryOutcome outcome = outcome_of_reply(reply, Stage::authenticate, OutcomeScope::connection);
  outcome.disposition = Disposition::deferred;
  if (!server_error.empty()) outcome.text += " (" + server_error + ")";
  outcome.text = "login by " + name + " refused: " + outcome.text;
  outcome.text.resize(std::min(outcome.text.size(), kOutcomeTextMax));
  fail_login(std::move(outcome), actions);
}

// continue-response: "334" SP base64; prompts of LOGIN and errors of tokens may be anything.
void ClientSession::State::answer_challenge(const Reply& reply, ClientActions& actions) {
  if (++challenges > kChallengesMax) {
    give_up_exchange("the server asks without end", actions);
    return;
  }
  std::string_view text = reply.text;
  while (text.ends_with(' ')) text.remove_suffix(1);
  std::optional<std::string> challenge = decode_base64(text);
  const bool any_text = mechanism == sasl::ClientMechanism::login || is_token(mechanism);
  if (!challenge && any_text) challenge = std::string(text);
  if (!challenge || challenge->size() > sasl::kChallengeBytesMax) {
    give_up_exchange("the server's challenge is no base64", actions);
    return;
  }
  auto response = exchange->respond(*challenge);
  if (!response) {
    give_up_exchange(std::move(response.error()), actions);
    return;
  }
  std::string line = encode_base64(*response);
  sasl::wipe(*response);
  send_hidden("", line, actions);
  sasl::wipe(line);
}

// RFC 4954 4: "*" cancels; the server answers 501.
void ClientSession::State::give_up_exchange(std::string why, ClientActions& actions) {
  given_up = std::move(why);
  exchange.reset();
  send("*", Awaited::auth_cancel, actions);
}

void ClientSession::State::fail_login(DeliveryOutcome outcome, ClientActions& actions) {
  exchange.reset();
  fail_connection(CloseReason::login_failed, std::move(outcome), actions);
  actions.send += "QUIT\r\n";
}

}  // namespace mailroot::smtp
