// Every property has a scenario that sees its effect: the table in tests/integration/README.md.
#include <doctest/doctest.h>

#include <fstream>
#include <map>
#include <sstream>

#include "mailroot/config/describe.h"

namespace mailroot::config {

namespace {

std::string read(const std::string& file) {
  std::ifstream stream(std::string(MAILROOT_INTEGRATION_DIRECTORY) + "/" + file);
  std::stringstream text;
  text << stream.rdbuf();
  return text.str();
}

// What stands between backquotes.
std::vector<std::string> quoted(std::string_view line) {
  std::vector<std::string> out;
  while (true) {
    const size_t begin = line.find('`');
    const size_t end = begin == std::string_view::npos ? begin : line.find('`', begin + 1);
    if (end == std::string_view::npos) return out;
    out.emplace_back(line.substr(begin + 1, end - begin - 1));
    line.remove_prefix(end + 1);
  }
}

// Key -> scenarios, "file.beginning_of_its_name".
std::map<std::string, std::vector<std::string>> table() {
  std::string text = read("README.md");
  text.erase(0, text.find("## Every property"));
  std::map<std::string, std::vector<std::string>> rows;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    std::vector<std::string> words = quoted(line);
    if (!line.starts_with("| `") || words.empty()) continue;
    const std::string key = words.front();
    words.erase(words.begin());
    CHECK_MESSAGE(rows.emplace(key, std::move(words)).second, key << " has two rows");
  }
  return rows;
}

}  // namespace

TEST_CASE("every property is in the table of scenarios, and nothing else") {
  auto rows = table();
  for (const KeyDescription& key : describe_server_keys()) {
    if (!key.available) continue;
    CHECK_MESSAGE(rows.erase(key.path) == 1, key.path << " has no row");
  }
  for (const auto& [key, scenarios] : rows) CHECK_MESSAGE(false, key << " is no key");
}

TEST_CASE("the scenarios of the table are there") {
  for (const auto& [key, scenarios] : table()) {
    for (const std::string& scenario : scenarios) {
      const size_t dot = scenario.find('.');
      REQUIRE_MESSAGE(dot != std::string::npos, scenario);
      const std::string file = read("scenarios/" + scenario.substr(0, dot) + ".py");
      const std::string wanted = "def scenario_" + scenario.substr(dot + 1);
      CHECK_MESSAGE(file.find(wanted) != std::string::npos, key << ": " << scenario);
    }
  }
}

}  // namespace mailroot::config
