// import-iis: a metabase becomes virtual server files and a report.
#pragma once

#include <string>
#include <vector>

namespace mailroot::ctl {

struct Settings;

struct IisArguments {
  std::string file;
  std::string out = "imported";
  std::vector<std::string> maps;
  std::string open_relay = "closed";  // closed | keep
  bool force = false;
  bool dry_run = false;
};

// The exit code: 0 all written, 1 something was not, with the reason on standard error.
int import_iis(const Settings& settings, const IisArguments& arguments);

}  // namespace mailroot::ctl
