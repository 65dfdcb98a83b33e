#include "mailroot/sasl/password.h"

#include <crypt.h>
#include <openssl/crypto.h>

#include <cstdlib>
#include <memory>

#include "mailroot/sasl/scram.h"

namespace mailroot::sasl {

namespace {

constexpr std::string_view kPrefix = "$y$";
constexpr size_t kHashTailMin = 22;  // of MD5-crypt, the shortest behind a "$"

// crypt_ra's memory, which holds the password.
class Workspace {
 public:
  Workspace() = default;
  ~Workspace() {
    if (data_ != nullptr) OPENSSL_cleanse(data_, static_cast<size_t>(size_));
    std::free(data_);
  }
  Workspace(const Workspace&) = delete;
  Workspace& operator=(const Workspace&) = delete;

  // "" when it fails.
  std::string crypt(const std::string& password, const std::string& setting) {
    const char* made = ::crypt_ra(password.c_str(), setting.c_str(), &data_, &size_);
    return made == nullptr ? std::string() : std::string(made);
  }

 private:
  void* data_ = nullptr;
  int size_ = 0;
};

std::string crypt_password(std::string_view password, const std::string& setting) {
  Workspace workspace;
  std::string copy(password);
  std::string hash = workspace.crypt(copy, setting);
  wipe(copy);
  return hash;
}

}  // namespace

std::string_view why_no_hash(std::string_view text) {
  // Without the dollar it would be an old DES hash, or a password in clear text.
  if (!text.starts_with('$')) return "not a hash of crypt(3): it does not begin with $";
  const std::string setting(text);
  const int checked = ::crypt_checksalt(setting.c_str());
  if (checked == CRYPT_SALT_INVALID) return "not a hash of crypt(3)";
  if (checked == CRYPT_SALT_METHOD_DISABLED) return "a hash of a method that crypt(3) refuses";
  if (text.size() - text.rfind('$') - 1 < kHashTailMin) return "only the beginning of a hash";
  return {};
}

bool matches_hash(std::string_view password, const std::string& hash) {
  if (password.contains('\0')) return false;
  const std::string made = crypt_password(password, hash);
  return !made.empty() && equals_secretly(made, hash);
}

std::string make_hash(std::string_view password, std::string_view random) {
  char* made =
      ::crypt_gensalt_ra(kPrefix.data(), 0, random.data(), static_cast<int>(random.size()));
  if (made == nullptr) return {};
  const std::unique_ptr<char, decltype(&std::free)> setting(made, &std::free);
  const std::string hash = crypt_password(password, setting.get());
  return hash.starts_with(kPrefix) ? hash : std::string();
}

}  // namespace mailroot::sasl
