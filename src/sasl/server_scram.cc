// SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802 5, 7; RFC 7677).
//
//   first --keys asked--> keys --server-first--> final --proof right--> proven --v=--> last -->
//   done
//                                                  '----proof wrong--> refused --> failed
#include <algorithm>

#include "mailroot/base/base64.h"
#include "mailroot/sasl/limits.h"
#include "server_machine.h"

namespace mailroot::sasl {

namespace {

// Printable ASCII except ",".
bool is_nonce(std::string_view nonce) {
  return !nonce.empty() && nonce.size() <= kNonceMax &&
         std::ranges::all_of(nonce, [](char c) { return c > 0x20 && c < 0x7f && c != ','; });
}

class Scram final : public ServerMachine {
 public:
  Scram(Mechanism mechanism, ChannelBinding binding, bool plus_offered)
      : ServerMachine(mechanism), binding_(std::move(binding)), plus_offered_(plus_offered) {}

  Step respond(std::string_view response) override {
    switch (stage_) {
      case Stage::first:
        return take_first(response);
      case Stage::final:
        return take_final(response);
      case Stage::last:
        return response.empty() ? Step::done : Step::malformed;
      case Stage::keys:
      case Stage::proof:
        break;
    }
    return Step::malformed;
  }

  Step judge(const Verdict& verdict) override {
    if (!verdict.accept) return Step::failed;
    if (stage_ == Stage::keys) return send_first(verdict);
    stage_ = Stage::last;
    const Digest signature = server_signature(keys_.server_key, auth_message_);
    return challenge_with("v=" + encode_base64(as_text(signature)));
  }

 private:
  enum class Stage : uint8_t { first, keys, final, proof, last };

  // client-first-message = gs2-cbind-flag "," [ authzid ] "," client-first-message-bare
  Step take_first(std::string_view message) {
    std::string_view rest = message;
    const std::string_view flag = rest.substr(0, rest.find(','));
    if (flag.size() == rest.size()) return Step::malformed;
    rest.remove_prefix(flag.size() + 1);
    std::optional<std::string> authorization("");
    if (const auto text = take_attribute(rest, 'a')) {
      authorization = decode_name(*text);
      if (!authorization || authorization->empty()) return Step::malformed;
    } else if (rest.starts_with(',')) {
      rest.remove_prefix(1);
    } else {
      return Step::malformed;
    }
    gs2_header_ = message.substr(0, message.size() - rest.size());
    if (!gs2_header_.ends_with(',') || !take_bare(rest)) return Step::malformed;
    if (const Step step = check_flag(flag); step != Step::ask) return step;
    stage_ = Stage::keys;
    if (acts_for_another(*authorization)) return refuse(kForAnother);
    if (hides_offer_) return refuse("says we offer no channel binding, but we do");
    return ask(RequestKind::scram_keys);
  }

  // client-first-message-bare = [ reserved-mext "," ] username "," nonce [ "," extensions ]
  bool take_bare(std::string_view bare) {
    first_bare_ = bare;
    const auto name = take_attribute(bare, 'n');
    const auto nonce = take_attribute(bare, 'r');
    if (!name || !nonce || !is_nonce(*nonce)) return false;
    auto user = decode_name(*name);
    if (!user || user->size() > kNameMax || !check_name(*user)) return false;
    request_.user = std::move(*user);
    nonce_ = *nonce;
    return true;
  }

  // Fills bound_; `ask`: goes on.
  Step check_flag(std::string_view flag) {
    const bool is_plus = mechanism() == Mechanism::scram_sha_256_plus;
    if (flag == "n" && !is_plus) return Step::ask;
    if (flag == "y" && !is_plus) {
      hides_offer_ = plus_offered_;  // somebody on the way took -PLUS out of our list
      return Step::ask;
    }
    if (!is_plus || !flag.starts_with("p=")) return Step::malformed;
    const std::string_view type = flag.substr(2);
    if (type == "tls-exporter") bound_ = binding_.tls_exporter;
    if (type == "tls-server-end-point") bound_ = binding_.tls_server_end_point;
    return bound_.empty() ? Step::malformed : Step::ask;
  }

  Step send_first(const Verdict& verdict) {
    keys_ = verdict.keys;
    nonce_ += verdict.nonce;
    server_first_ = "r=" + nonce_ + ",s=" + encode_base64(keys_.salt) +
                    ",i=" + std::to_string(keys_.iterations);
    stage_ = Stage::final;
    return challenge_with(server_first_);
  }

  // client-final-message = channel-binding "," nonce [ "," extensions ] "," proof
  Step take_final(std::string_view message) {
    const size_t at = message.rfind(",p=");
    if (at == message.npos) return Step::malformed;
    const auto proof = decode_base64(message.substr(at + 3));
    const std::string_view without_proof = message.substr(0, at);
    std::string_view rest = without_proof;
    const auto binding_text = take_attribute(rest, 'c');
    const auto nonce = take_attribute(rest, 'r');
    if (!proof || !binding_text || !nonce) return Step::malformed;
    const auto binding = decode_base64(*binding_text);
    if (!binding) return Step::malformed;
    stage_ = Stage::proof;
    if (!equals_secretly(*binding, gs2_header_ + bound_)) return refuse("wrong channel binding");
    if (!equals_secretly(*nonce, nonce_)) return refuse("wrong nonce");
    auth_message_ = auth_message(first_bare_, server_first_, without_proof);
    if (!proves(keys_, auth_message_, *proof)) return refuse("wrong password");
    return ask(RequestKind::scram_proven);
  }

  ChannelBinding binding_;
  bool plus_offered_;
  bool hides_offer_ = false;
  Stage stage_ = Stage::first;
  std::string gs2_header_;
  std::string bound_;  // the channel binding data the client chose
  std::string first_bare_;
  std::string nonce_;
  std::string server_first_;
  std::string auth_message_;
  ScramKeys keys_;
};

}  // namespace

std::unique_ptr<ServerMachine> make_scram(Mechanism mechanism, ChannelBinding binding,
                                          bool plus_offered) {
  return std::make_unique<Scram>(mechanism, std::move(binding), plus_offered);
}

}  // namespace mailroot::sasl
