// A configuration in a directory of its own, for tests: files by name, loaded as one.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "mailroot/config/load.h"

namespace mailroot::config {

class Instance {
 public:
  Instance();
  ~Instance();
  Instance(const Instance&) = delete;
  Instance& operator=(const Instance&) = delete;

  // `name` relative to the directory: "mailroot.yaml", "virtual-servers.d/a.yaml".
  Instance& write(const std::string& name, std::string_view text);
  std::string path(const std::string& name) const { return (directory_ / name).string(); }
  std::string service_file() const { return path("mailroot.yaml"); }

  std::expected<ConfigSnapshot, std::vector<Problem>> load() const;
  // The snapshot; the test fails with the problems when there is none.
  ConfigSnapshot loaded() const;
  // The problems as text, without the directory: "virtual-servers.d/a.yaml:3:5: key: ...".
  std::vector<std::string> problems() const;
  CheckResult check() const;

 private:
  std::filesystem::path directory_;
};

LoadOptions test_machine();  // mx.test.example

// A service file with one virtual server "a" of this text; its problems, and its values.
std::vector<std::string> problems_of_server(std::string_view text);
VirtualServer server_from(std::string_view text);

// The bindings line every virtual server file needs.
inline constexpr std::string_view kBindings = "bindings: [{address: 127.0.0.1, port: 2525}]\n";

}  // namespace mailroot::config
