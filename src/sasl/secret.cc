#include "mailroot/sasl/secret.h"

#include <openssl/crypto.h>

#include "mailroot/sasl/scram.h"

namespace mailroot::sasl {

// Up to the capacity: a short text that was moved away still stands in the object.
void Secret::clear() {
  text_.resize(text_.capacity());
  OPENSSL_cleanse(text_.data(), text_.size());
  text_.clear();
}

Secret& Secret::operator=(const Secret& other) {
  if (this == &other) return *this;
  clear();
  text_ = other.text_;
  return *this;
}

Secret& Secret::operator=(Secret&& other) noexcept {
  if (this == &other) return *this;
  clear();
  text_ = std::move(other.text_);
  other.clear();
  return *this;
}

bool operator==(const Secret& a, const Secret& b) { return equals_secretly(a.text_, b.text_); }

}  // namespace mailroot::sasl
