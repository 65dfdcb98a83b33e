// The machine's own name, for `auto`: from files, without DNS (decisions 7). Pure but for
// read_machine_files.
#pragma once

#include <string>

namespace mailroot::config {

// The texts of /etc/hostname (else /proc/sys/kernel/hostname), /etc/hosts and /etc/mailname; empty
// when unreadable.
struct MachineFiles {
  std::string hostname;
  std::string hosts;
  std::string mailname;
};

struct MachineNames {
  std::string fqdn;     // lower case, with at least one dot
  std::string warning;  // not empty when the name had to be made up ("<host>.localdomain")
};

MachineFiles read_machine_files();
MachineNames machine_names(const MachineFiles& files);

}  // namespace mailroot::config
