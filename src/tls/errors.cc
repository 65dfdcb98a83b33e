#include "errors.h"

#include <openssl/err.h>

#include "mailroot/tls/limits.h"

namespace mailroot::tls {

std::string take_error(const char* otherwise) {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  const char* reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  std::string out = reason == nullptr ? otherwise : reason;
  if (out.size() > kErrorTextMax) out.resize(kErrorTextMax);
  return out;
}

}  // namespace mailroot::tls
