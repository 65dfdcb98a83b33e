#include "config_diff.h"

#include <fmt/format.h>

#include <string_view>
#include <vector>

namespace mailroot::ctl {

using nlohmann::json;

namespace {

std::vector<std::string> strings(const json& object, const char* key) {
  std::vector<std::string> out;
  const json list = object.value(key, json::array());
  for (const json& one : list) {
    if (one.is_string()) out.push_back(one.get<std::string>());
  }
  return out;
}

// Lists of records have a line an entry.
std::string indented(std::string_view value) {
  std::string out;
  for (const char c : value) {
    out += c;
    if (c == '\n') out += "      ";
  }
  return out;
}

std::string change_text(const json& change) {
  const std::string before = change.value("before", "");
  const std::string after = change.value("after", "");
  const std::string when = change.value("change", "");
  const std::string late = when == "live" || when.empty() ? "" : fmt::format("  ({})", when);
  const std::string key = change.value("key", "");
  if (!before.contains('\n') && !after.contains('\n')) {
    return fmt::format("  {}: {} -> {}{}\n", key, before, after, late);
  }
  return fmt::format("  {}:{}\n    - {}\n    + {}\n", key, late, indented(before), indented(after));
}

std::string server_text(const json& server, bool& differs) {
  std::string inside;
  for (const json& change : server.value("changes", json::array())) inside += change_text(change);
  for (const char* const key : {"opens", "closes", "adopts"}) {
    for (const std::string& binding : strings(server, key)) {
      inside += fmt::format("  {} {}\n", key, binding);
    }
  }
  const std::string action = server.value("action", "");
  const bool is_idle = action == "keep" || action == "stay stopped";
  if (is_idle && inside.empty()) return "";
  // Who could not start before either is told, but is no difference.
  differs = differs || action != "cannot start" || !inside.empty();
  const std::string reason = server.value("reason", "");
  return fmt::format("virtual server {}: {}{}{}\n{}", server.value("id", ""), action,
                     server.value("is_new", false) ? ", it is new" : "",
                     reason.empty() ? "" : ": " + reason, inside);
}

}  // namespace

DiffText diff_text(const json& preview) {
  DiffText out;
  const auto problems = strings(preview, "problems");
  if (!problems.empty()) {
    out.would_be_refused = true;
    for (const std::string& problem : problems) out.text += problem + "\n";
    out.text += "a reload would be refused; what runs would stay as it is\n";
    return out;
  }
  std::string service;
  for (const json& change : preview.value("service", json::array())) service += change_text(change);
  if (!service.empty()) out.text += "service\n" + service;
  out.differs = !service.empty();
  for (const json& server : preview.value("servers", json::array())) {
    out.text += server_text(server, out.differs);
  }
  if (!out.differs) out.text += "nothing differs; a reload would change nothing\n";
  return out;
}

}  // namespace mailroot::ctl
