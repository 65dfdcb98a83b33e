// What a reload would do, told to people. Pure.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace mailroot::ctl {

struct DiffText {
  std::string text;  // lines
  bool would_be_refused = false;
  bool differs = false;
};

// `preview`: the daemon's answer to "config diff".
DiffText diff_text(const nlohmann::json& preview);

}  // namespace mailroot::ctl
