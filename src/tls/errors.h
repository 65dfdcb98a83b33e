// OpenSSL's words for what went wrong.
#pragma once

#include <string>

namespace mailroot::tls {

// The oldest error of this thread's queue, which is empty afterwards; `otherwise` when there is
// none.
std::string take_error(const char* otherwise);

}  // namespace mailroot::tls
