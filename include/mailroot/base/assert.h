// Our own faults: an assertion stays on in release builds and stops the process, because going on
// with a broken invariant is how mail is lost. Never put co_await inside the condition.
#pragma once

namespace mailroot {

// Prints the expression, the place and the reason to stderr, then aborts.
[[noreturn]] void assertion_failed(const char* expression, const char* reason, const char* file,
                                   int line);

}  // namespace mailroot

#define MAILROOT_ASSERT(condition, reason) \
  (static_cast<bool>(condition)            \
       ? static_cast<void>(0)              \
       : ::mailroot::assertion_failed(#condition, reason, __FILE__, __LINE__))
