#include "mailroot/base/assert.h"

#include <cstdio>
#include <cstdlib>

namespace mailroot {

void assertion_failed(const char* expression, const char* reason, const char* file, int line) {
  std::fprintf(stderr, "mailroot: assertion failed: %s (%s) at %s:%d\n", expression, reason, file,
               line);
  std::fflush(stderr);
  std::abort();
}

}  // namespace mailroot
