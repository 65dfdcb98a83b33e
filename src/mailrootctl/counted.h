// "1 message", "2 messages".
#pragma once

#include <cstdint>
#include <string>

namespace mailroot::ctl {

inline std::string counted(uint64_t count, const char* what) {
  return std::to_string(count) + " " + what + (count == 1 ? "" : "s");
}

}  // namespace mailroot::ctl
