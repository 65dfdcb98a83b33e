// XOAUTH2 and OAUTHBEARER. A refusal comes as a challenge with words in JSON; the client answers
// once more, and the failure reply follows.
#include "client_exchanges.h"
#include "mailroot/sasl/scram.h"

namespace mailroot::sasl {

namespace {

constexpr char kSeparator = '\x01';

class Bearer : public ClientExchange {
 public:
  Bearer(std::string message, std::string farewell)
      : message_(std::move(message)), farewell_(std::move(farewell)) {}
  std::optional<std::string> initial_response() override {
    is_sent_ = true;
    return message_.reveal();
  }
  std::expected<std::string, std::string> respond(std::string_view challenge) override {
    // Microsoft 365 answers "334 " where it wants the initial response again.
    if (!is_sent_ && challenge.empty()) {
      is_sent_ = true;
      return message_.reveal();
    }
    if (is_refused_) {
      return std::unexpected("the server asks for more than the mechanism has");
    }
    is_refused_ = true;
    error_ = printable(challenge, kServerErrorMax);
    return farewell_;
  }
  std::string server_error() const override { return error_; }
  std::string doubt_of_success() const override {
    return is_refused_ ? "the server refused the token, then said yes" : "";
  }

 private:
  Secret message_;
  std::string farewell_;
  std::string error_;
  bool is_sent_ = false;
  bool is_refused_ = false;
};

}  // namespace

// "user=" user ^A "auth=Bearer " token ^A ^A; the answer to the error challenge is empty.
std::unique_ptr<ClientExchange> start_xoauth2(const ClientLogin& login) {
  std::string message = "user=" + login.username + kSeparator + "auth=Bearer ";
  message += login.secret.reveal();
  message += std::string(2, kSeparator);
  return std::make_unique<Bearer>(std::move(message), "");
}

// client-resp = (gs2-header kvsep *kvpair kvsep) / kvsep      (RFC 7628 3.1)
std::unique_ptr<ClientExchange> start_oauthbearer(const ClientLogin& login) {
  std::string message = "n,a=" + encode_name(login.username) + ',' + kSeparator;
  if (!login.host.empty()) message += "host=" + login.host + kSeparator;
  if (login.port != 0) message += "port=" + std::to_string(login.port) + kSeparator;
  message += "auth=Bearer " + login.secret.reveal();
  message += std::string(2, kSeparator);
  return std::make_unique<Bearer>(std::move(message), std::string(1, kSeparator));
}

}  // namespace mailroot::sasl
