// File systems whose sync cannot be relied on.
#pragma once

#include <cstdint>
#include <string_view>

namespace mailroot {

// The name of the network (or user-space) file system with this statfs(2) type; "" for a local one.
std::string_view remote_file_system(uint64_t magic);

}  // namespace mailroot
