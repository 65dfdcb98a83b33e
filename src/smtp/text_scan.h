// The one loop every content byte goes through: finds the next byte that is more than text.
#pragma once

#include <cstddef>

#include "mailroot/base/bytes.h"

namespace mailroot::smtp {

// What stood before the first byte of a scan.
struct Before {
  bool cr = false;
  bool crlf = false;  // or the start of the content
};

// Index of the first byte that breaks a pair (an LF not after CR, or anything else after CR) or,
// with `dots`, is a "." after CRLF; text.size() if there is none. About 0.1 ns a byte.
size_t find_event(ByteView text, Before before, bool dots);

}  // namespace mailroot::smtp
