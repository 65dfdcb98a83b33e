#include "instance.h"

#include <doctest/doctest.h>
#include <stdlib.h>

#include <fstream>

namespace mailroot::config {

Instance::Instance() {
  std::string name = (std::filesystem::temp_directory_path() / "mailroot-config-XXXXXX").string();
  REQUIRE(mkdtemp(name.data()) != nullptr);
  directory_ = name;
  std::filesystem::create_directory(directory_ / "virtual-servers.d");
}

Instance::~Instance() {
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

Instance& Instance::write(const std::string& name, std::string_view text) {
  std::ofstream stream(directory_ / name, std::ios::binary);
  stream.write(text.data(), static_cast<std::streamsize>(text.size()));
  REQUIRE(stream.good());
  return *this;
}

LoadOptions test_machine() { return {MachineFiles{"mx.test.example\n", "", ""}}; }

std::expected<ConfigSnapshot, std::vector<Problem>> Instance::load() const {
  return config::load(service_file(), test_machine());
}

CheckResult Instance::check() const { return config::check(service_file(), test_machine()); }

ConfigSnapshot Instance::loaded() const {
  auto snapshot = load();
  if (!snapshot) {
    for (const auto& problem : problems()) MESSAGE(problem);
    FAIL("the configuration does not load");
  }
  return *snapshot;
}

std::vector<std::string> Instance::problems() const {
  std::vector<std::string> out;
  const auto snapshot = load();
  if (snapshot) return out;
  const std::string prefix = directory_.string() + "/";
  for (const auto& problem : snapshot.error()) {
    std::string text = problem.to_string();
    for (size_t at = text.find(prefix); at != std::string::npos; at = text.find(prefix)) {
      text.erase(at, prefix.size());
    }
    out.push_back(std::move(text));
  }
  return out;
}

std::vector<std::string> problems_of_server(std::string_view text) {
  Instance instance;
  instance.write("mailroot.yaml", "").write("virtual-servers.d/a.yaml", text);
  auto out = instance.problems();
  for (auto& problem : out) {
    const std::string_view prefix = "virtual-servers.d/";
    if (problem.starts_with(prefix)) problem.erase(0, prefix.size());
  }
  return out;
}

VirtualServer server_from(std::string_view text) {
  Instance instance;
  instance.write("mailroot.yaml", "").write("virtual-servers.d/a.yaml", text);
  const ConfigSnapshot snapshot = instance.loaded();
  REQUIRE(snapshot.servers.size() == 1);
  return *snapshot.servers.front();
}

}  // namespace mailroot::config
