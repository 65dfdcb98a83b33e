#include "tickets.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>

#include <algorithm>
#include <cstring>

#include "mailroot/base/assert.h"
#include "mailroot/tls/engine.h"
#include "mailroot/tls/limits.h"

namespace mailroot::tls {

namespace {

int engine_index() {
  static const int index = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return index;
}

template <size_t N>
void fill(std::array<unsigned char, N>& octets) {
  const int done = RAND_bytes(octets.data(), static_cast<int>(octets.size()));
  MAILROOT_ASSERT(done == 1, "OpenSSL has randomness");
}

TicketKeys::Key random_key() {
  TicketKeys::Key key;
  fill(key.name);
  fill(key.cipher);
  fill(key.mac);
  return key;
}

bool prepare_mac(EVP_MAC_CTX* mac, const TicketKeys::Key& key) {
  char digest[] = "SHA256";
  const OSSL_PARAM params[] = {
      OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY,
                                        const_cast<unsigned char*>(key.mac.data()), key.mac.size()),
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
      OSSL_PARAM_construct_end(),
  };
  return EVP_MAC_CTX_set_params(mac, params) == 1;
}

}  // namespace

std::shared_ptr<const TicketKeys> TicketKeys::fresh() {
  std::shared_ptr<TicketKeys> keys(new TicketKeys());
  keys->keys_.push_back(random_key());
  return keys;
}

std::shared_ptr<const TicketKeys> TicketKeys::next() const {
  std::shared_ptr<TicketKeys> keys(new TicketKeys());
  keys->keys_.push_back(random_key());
  for (const Key& key : keys_) {
    if (keys->keys_.size() < kTicketKeys) keys->keys_.push_back(key);
  }
  return keys;
}

TicketKeys::~TicketKeys() {
  for (Key& key : keys_) OPENSSL_cleanse(&key, sizeof key);
}

const TicketKeys::Key* TicketKeys::find(const unsigned char* name) const {
  for (const Key& key : keys_) {
    if (std::memcmp(key.name.data(), name, key.name.size()) == 0) return &key;
  }
  return nullptr;
}

// As SSL_CTX_set_tlsext_ticket_key_evp_cb(3) says: 0 no ticket, 1 good, 2 good and to be renewed.
struct TicketCallback {
  static int run(SSL* ssl, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher,
                 EVP_MAC_CTX* mac, int encrypts) {
    const auto* engine = static_cast<const Engine*>(SSL_get_ex_data(ssl, engine_index()));
    const TicketKeys* keys = engine == nullptr ? nullptr : engine->server_.tickets.get();
    if (keys == nullptr) return 0;
    if (encrypts != 0) {
      const TicketKeys::Key& key = keys->current();
      std::copy(key.name.begin(), key.name.end(), name);
      if (RAND_bytes(iv, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) != 1) return -1;
      const bool good =
          EVP_EncryptInit_ex(cipher, EVP_aes_256_cbc(), nullptr, key.cipher.data(), iv) == 1 &&
          prepare_mac(mac, key);
      return good ? 1 : -1;
    }
    const TicketKeys::Key* key = keys->find(name);
    if (key == nullptr) return 0;
    const bool good =
        prepare_mac(mac, *key) &&
        EVP_DecryptInit_ex(cipher, EVP_aes_256_cbc(), nullptr, key->cipher.data(), iv) == 1;
    if (!good) return -1;
    return key == &keys->current() ? 1 : 2;
  }
};

void use_tickets(SSL_CTX* context) {
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(context, 1);
  SSL_CTX_set_timeout(context, kTicketLife / std::chrono::seconds(1));
  SSL_CTX_set_tlsext_ticket_key_evp_cb(context, TicketCallback::run);
}

void set_engine(SSL* ssl, Engine& engine) { SSL_set_ex_data(ssl, engine_index(), &engine); }

}  // namespace mailroot::tls
