// SCRAM-SHA-256 (RFC 5802, RFC 7677), without channel binding.
//
//   n,,n=user,r=nonce  -->   r=nonce+,s=salt,i=count  -->  c=biws,r=nonce+,p=proof
//                      -->   v=signature (or e=why)   -->  (empty)
#include <charconv>

#include "client_exchanges.h"
#include "mailroot/base/base64.h"
#include "mailroot/sasl/limits.h"
#include "mailroot/sasl/scram.h"

namespace mailroot::sasl {

namespace {

constexpr std::string_view kGs2Header = "n,,";

class Scram final : public ClientExchange {
 public:
  explicit Scram(const ClientLogin& login)
      : login_(login), first_bare_("n=" + encode_name(login.username) + ",r=" + login.nonce) {}

  std::optional<std::string> initial_response() override {
    step_ = Step::first_sent;
    return std::string(kGs2Header) + first_bare_;
  }

  std::expected<std::string, std::string> respond(std::string_view challenge) override {
    switch (step_) {
      case Step::fresh:  // the server asks though the initial response is ours to give
        if (!challenge.empty()) return std::unexpected("the server speaks first");
        return *initial_response();
      case Step::first_sent:
        return answer_first(challenge);
      case Step::proof_sent:
        return check_final(challenge);
      case Step::verified:
        break;
    }
    return std::unexpected("the server asks for more than the mechanism has");
  }

  std::string doubt_of_success() const override {
    return step_ == Step::verified ? "" : "the server did not prove that it knows the password";
  }
  std::string server_error() const override { return error_; }

 private:
  enum class Step : uint8_t { fresh, first_sent, proof_sent, verified };

  // server-first-message = [reserved-mext ","] nonce "," salt "," iteration-count ["," extensions]
  std::expected<std::string, std::string> answer_first(std::string_view message) {
    const std::string whole(message);
    const auto nonce = take_attribute(message, 'r');
    if (!nonce) return std::unexpected("the server's first message has no nonce");
    const auto salt_text = take_attribute(message, 's');
    const auto count_text = take_attribute(message, 'i');
    if (!salt_text || !count_text) {
      return std::unexpected("the server's first message lacks salt or iterations");
    }
    if (!nonce->starts_with(login_.nonce) || nonce->size() == login_.nonce.size() ||
        nonce->size() > login_.nonce.size() + kNonceMax) {
      return std::unexpected("the server's nonce does not continue ours");
    }
    const auto salt = decode_base64(*salt_text);
    if (!salt || salt->empty() || salt->size() > kSaltMax) {
      return std::unexpected("the server's salt is not usable");
    }
    uint32_t count = 0;
    const char* const end = count_text->data() + count_text->size();
    const auto parsed = std::from_chars(count_text->data(), end, count);
    if (parsed.ec != std::errc() || parsed.ptr != end || count < kScramIterationsMin ||
        count > kClientIterationsMax) {
      return std::unexpected("the server's iteration count is not between " +
                             std::to_string(kScramIterationsMin) + " and " +
                             std::to_string(kClientIterationsMax));
    }
    const std::string without_proof =
        "c=" + encode_base64(kGs2Header) + ",r=" + std::string(*nonce);
    const std::string all = auth_message(first_bare_, whole, without_proof);
    const Digest salted = salted_password(login_.secret.reveal(), *salt, count);
    const Digest proof = client_proof(salted, all);
    expected_ = server_signature(server_key_of(salted), all);
    step_ = Step::proof_sent;
    return without_proof + ",p=" + encode_base64(as_text(proof));
  }

  // server-final-message = (server-error / verifier) ["," extensions]
  std::expected<std::string, std::string> check_final(std::string_view message) {
    if (const auto why = take_attribute(message, 'e')) {
      error_ = printable(*why, kServerErrorMax);
      return std::unexpected("the server says " + error_);
    }
    const auto text = take_attribute(message, 'v');
    const auto signature = text ? decode_base64(*text) : std::nullopt;
    if (!signature || !equals_secretly(*signature, as_text(expected_))) {
      return std::unexpected("the server did not prove that it knows the password");
    }
    step_ = Step::verified;
    return std::string();
  }

  const ClientLogin& login_;
  std::string first_bare_;
  Digest expected_{};
  std::string error_;
  Step step_ = Step::fresh;
};

}  // namespace

std::unique_ptr<ClientExchange> start_scram_sha_256(const ClientLogin& login) {
  return std::make_unique<Scram>(login);
}

}  // namespace mailroot::sasl
