// Makes keys and certificates for tests, in a directory of their own.
#pragma once

#include <string>
#include <vector>

namespace mailroot::tls::test {

enum class KeyKind { ecdsa, rsa };

struct Wanted {
  std::vector<std::string> names = {"mail.example"};
  KeyKind kind = KeyKind::ecdsa;
  int valid_from_days = -1;
  int valid_until_days = 90;
  bool is_authority = false;
};

struct Files {
  std::string certificate, key;
};

class Workshop {
 public:
  Workshop();   // makes the directory
  ~Workshop();  // removes it
  Workshop(const Workshop&) = delete;
  Workshop& operator=(const Workshop&) = delete;

  // Signed by `issuer`, or by itself.
  Files make(const std::string& stem, const Wanted& wanted, const Files* issuer = nullptr);
  // The key of `files`, with a passphrase.
  std::string encrypted_key(const Files& files, const std::string& stem);
  std::string write(const std::string& name, const std::string& text);
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace mailroot::tls::test
