#include "mailroot/server/groups.h"

#include <grp.h>

#include <vector>

namespace mailroot::server {

namespace {
constexpr size_t kGroupBufferBytes = 16 * 1024;
}  // namespace

std::optional<gid_t> find_group(const char* name) {
  group entry{};
  group* found = nullptr;
  std::vector<char> buffer(kGroupBufferBytes);
  if (getgrnam_r(name, &entry, buffer.data(), buffer.size(), &found) != 0 || found == nullptr) {
    return std::nullopt;
  }
  return found->gr_gid;
}

}  // namespace mailroot::server
