// PLAIN, LOGIN and CRAM-MD5.
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <array>

#include "client_exchanges.h"

namespace mailroot::sasl {

namespace {

std::unexpected<std::string> too_many() {
  return std::unexpected<std::string>("the server asks for more than the mechanism has");
}

// message = [authzid] NUL authcid NUL passwd      (RFC 4616 2)
class Plain final : public ClientExchange {
 public:
  explicit Plain(const ClientLogin& login) : login_(login) {}
  std::optional<std::string> initial_response() override {
    is_sent_ = true;
    return message();
  }
  std::expected<std::string, std::string> respond(std::string_view challenge) override {
    if (is_sent_ || !challenge.empty()) return too_many();
    is_sent_ = true;
    return message();
  }

 private:
  std::string message() const {
    std::string out(1, '\0');
    out += login_.username;
    out += '\0';
    out += login_.secret.reveal();
    return out;
  }
  const ClientLogin& login_;
  bool is_sent_ = false;
};

// Whatever the prompts say ("Username:", "User Name", in any language): first the name, then the
// password. No initial response: Exchange takes one, older servers do not.
class Login final : public ClientExchange {
 public:
  explicit Login(const ClientLogin& login) : login_(login) {}
  std::optional<std::string> initial_response() override { return std::nullopt; }
  std::expected<std::string, std::string> respond(std::string_view) override {
    ++prompts_;
    if (prompts_ == 1) return login_.username;
    if (prompts_ == 2) return login_.secret.reveal();
    return too_many();
  }

 private:
  const ClientLogin& login_;
  int prompts_ = 0;
};

// Username, blank, lower-case hex of HMAC-MD5(password, challenge)      (RFC 2195 2)
class CramMd5 final : public ClientExchange {
 public:
  explicit CramMd5(const ClientLogin& login) : login_(login) {}
  std::optional<std::string> initial_response() override { return std::nullopt; }
  std::expected<std::string, std::string> respond(std::string_view challenge) override {
    if (is_answered_) return too_many();
    is_answered_ = true;
    if (challenge.empty()) return std::unexpected("the server's challenge is empty");
    const std::string& key = login_.secret.reveal();
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned size = 0;
    const auto* text = reinterpret_cast<const unsigned char*>(challenge.data());
    // Null where MD5 is switched off (FIPS).
    if (HMAC(EVP_md5(), key.data(), static_cast<int>(key.size()), text, challenge.size(),
             digest.data(), &size) == nullptr) {
      return std::unexpected("this machine's OpenSSL does not allow MD5");
    }
    std::string out = login_.username + ' ';
    for (unsigned i = 0; i < size; ++i) {
      out += "0123456789abcdef"[digest[i] >> 4];
      out += "0123456789abcdef"[digest[i] & 15];
    }
    return out;
  }

 private:
  const ClientLogin& login_;
  bool is_answered_ = false;
};

}  // namespace

std::unique_ptr<ClientExchange> start_plain(const ClientLogin& login) {
  return std::make_unique<Plain>(login);
}

std::unique_ptr<ClientExchange> start_login(const ClientLogin& login) {
  return std::make_unique<Login>(login);
}

std::unique_ptr<ClientExchange> start_cram_md5(const ClientLogin& login) {
  return std::make_unique<CramMd5>(login);
}

}  // namespace mailroot::sasl
