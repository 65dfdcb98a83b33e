// User data of entries that belong to no operation. A slot index never reaches UINT32_MAX.
#pragma once

#include <cstdint>

namespace mailroot::reactor {

inline constexpr uint64_t kWakeUserData = UINT64_MAX;
inline constexpr uint64_t kCancelUserData = UINT64_MAX - (uint64_t{1} << 32);

}  // namespace mailroot::reactor
