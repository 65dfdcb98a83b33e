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
// The domain of local programs' bare addresses: the first name in /etc/mailname, else the full
// name. Lower case, never empty.
std::string mail_name(const MachineFiles& files);

}  // namespace mailroot::config
