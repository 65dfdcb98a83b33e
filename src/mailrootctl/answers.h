// The answers of the New Virtual Server Wizard: what is suggested, what is wrong with one, and what
// comes of all of them. Knows no terminal.
#pragma once

#include <expected>
#include <string>
#include <vector>

#include "mailroot/config/machine_state.h"
#include "mailroot/config/snapshot.h"

namespace mailroot::ctl {

struct Answers {
  std::string name, address, port, home, default_domain, id;
};

class AnswerChecks {
 public:
  // `may_make_home`: missing directories are made here, by root.
  AnswerChecks(const config::ConfigSnapshot& snapshot, config::MachineState machine,
               config::MachineNames names, bool may_make_home);

  // Each "" or a sentence that says what is wrong and what would be right.
  std::string check_name(const std::string& name) const;
  std::string check_id(const std::string& id) const;
  std::string check_address(const std::string& address) const;
  std::string check_port(const std::string& address, const std::string& port) const;
  std::string check_home(const std::string& home) const;
  std::string check_domain(const std::string& domain) const;

  std::string suggest_name() const;
  // From the name, free: "Sales & Support" -> "sales-support", "sales-support-2".
  std::string suggest_id(const std::string& name) const;
  std::string suggest_address() const;
  std::string suggest_port(const std::string& address) const;
  std::string suggest_home(const std::string& id) const;
  // all-unassigned, then the addresses of this machine.
  std::vector<std::string> address_choices() const;

  // The file a virtual server with this id would have; a sentence when the include pattern of the
  // service would not read it.
  std::expected<std::string, std::string> file_of(const std::string& id) const;
  // Relative paths are relative to that file.
  std::string resolved_home(const Answers& answers) const;
  std::string machine_name() const { return names_.fqdn; }
  // The YAML text. The answers have been checked.
  std::string render(const Answers& answers) const;
  const config::User& user() const { return machine_.user; }

 private:
  std::string find_clash(const config::BindingKey& key) const;

  const config::ConfigSnapshot& snapshot_;
  config::MachineState machine_;
  config::MachineNames names_;
  bool may_make_home_;
};

}  // namespace mailroot::ctl
