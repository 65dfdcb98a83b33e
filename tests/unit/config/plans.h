// Snapshots of a few bindings in short: {"a", {"10.0.0.1:25", "*:25"}}.
#pragma once

#include <initializer_list>
#include <string>
#include <vector>

#include "mailroot/config/binding_table.h"

namespace mailroot::config {

// "*:25" is all unassigned.
BindingKey key(std::string_view text);
std::string short_name(const BindingKey& key);

struct ServerSketch {
  std::string id;
  std::vector<std::string> bindings;
  bool autostart = true;
  std::string note = {};  // changes the digest
};

ConfigSnapshot sketch(const std::vector<ServerSketch>& servers);

// "a start open 10.0.0.1:25; b keep keep *:25 adopt 10.0.0.9:25<a"
std::string summary(const ReloadPlan& plan);

}  // namespace mailroot::config
