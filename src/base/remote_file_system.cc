#include "mailroot/base/remote_file_system.h"

#include <array>

namespace mailroot {

namespace {

struct NamedMagic {
  uint64_t magic;
  std::string_view name;
};
// statfs(2) types whose sync cannot be relied on, because another machine or program answers it.
constexpr std::array kRemoteFileSystems = {
    NamedMagic{0x6969, "NFS"},          NamedMagic{0x517B, "SMB"},
    NamedMagic{0xFF534D42, "CIFS"},     NamedMagic{0xFE534D42, "SMB 2"},
    NamedMagic{0x5346414F, "AFS"},      NamedMagic{0x6B414653, "AFS"},
    NamedMagic{0x73757245, "Coda"},     NamedMagic{0x564C, "NCP"},
    NamedMagic{0x01021997, "9P"},       NamedMagic{0x00C36400, "Ceph"},
    NamedMagic{0x47504653, "GPFS"},     NamedMagic{0x0BD00BD0, "Lustre"},
    NamedMagic{0x7461636F, "OCFS2"},    NamedMagic{0x01161970, "GFS2"},
    NamedMagic{0x65735546, "FUSE"},     NamedMagic{0x786F4256, "VirtualBox folder"},
    NamedMagic{0x0187, "autofs"},       NamedMagic{0xBACBACBC, "VMware folder"},
    NamedMagic{0x20030528, "OrangeFS"}, NamedMagic{0x19830326, "BeeGFS"},
};

}  // namespace

std::string_view remote_file_system(uint64_t magic) {
  for (const NamedMagic& remote : kRemoteFileSystems) {
    if (remote.magic == magic) return remote.name;
  }
  return {};
}

}  // namespace mailroot
