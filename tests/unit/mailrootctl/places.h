// A directory of one's own with configuration files in it.
#pragma once

#include <doctest/doctest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "mailroot/config/load.h"

namespace mailroot::ctl {

class Place {
 public:
  Place() {
    std::string name = (std::filesystem::temp_directory_path() / "mailroot-ctl-XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    directory_ = name;
    std::filesystem::create_directory(directory_ / "virtual-servers.d");
  }
  ~Place() {
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
  }
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;

  std::string path(const std::string& name) const { return (directory_ / name).string(); }
  const Place& write(const std::string& name, std::string_view text) const {
    std::ofstream stream(directory_ / name, std::ios::binary);
    stream.write(text.data(), static_cast<std::streamsize>(text.size()));
    REQUIRE(stream.good());
    return *this;
  }
  config::ConfigSnapshot loaded() const {
    auto snapshot = config::load(path("mailroot.yaml"), {});
    if (!snapshot) FAIL(snapshot.error().front().to_string());
    return std::move(*snapshot);
  }

 private:
  std::filesystem::path directory_;
};

}  // namespace mailroot::ctl
