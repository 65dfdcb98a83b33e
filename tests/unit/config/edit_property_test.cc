// Random edits of the packaged and example files: the value is what was asked for, every key that
// was not edited means what it meant, and the lines in between are the same octets.
#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "edits.h"
#include "instance.h"
#include "record.h"

namespace mailroot::config {

namespace {

// Reproducible: a failure names its seed.
class Dice {
 public:
  explicit Dice(uint64_t seed) : state_(seed) {}
  uint64_t roll(uint64_t sides) {
    state_ = state_ * 6364136223846793005 + 1442695040888963407;
    return (state_ >> 33) % sides;
  }

 private:
  uint64_t state_;
};

struct Sample {
  std::string path;
  std::vector<std::string> values;
  bool is_list = false;
  bool is_records = false;
};

const std::vector<Sample>& samples() {
  static const std::vector<Sample> all = {
      {"name", {"\"A: new # name\"", "Plain", "\"it's\""}},
      {"autostart", {"true", "false"}},
      {"default_domain", {"a.example", "auto"}},
      {"fqdn", {"mx.a.example", "auto"}},
      {"home_directory", {"/srv/a", "../b"}},
      {"connections.limit", {"7", "unlimited"}},
      {"connections.timeout", {"90s", "2h"}},
      {"messages.size_limit", {"20 MiB", "30 MB", "unlimited"}},
      {"messages.recipients_limit", {"55"}},
      {"messages.badmail.keep", {"7d"}},
      {"messages.ndr_copy_to", {"ann@a.example", "\"\""}},
      {"delivery.hop_limit", {"12", "99"}},
      {"delivery.quick_retries.count", {"0", "5"}},
      {"delivery.outbound.port", {"587"}},
      {"delivery.local.expiration", {"3d"}},
      {"delivery.reverse_dns_lookup", {"true"}},
      {"delivery.retry_intervals", {"1m", "2h", "15m", "3d"}, true},
      {"delivery.smart_host", {"\"[192.0.2.1]:587\"", "relay.example", "\"[2001:db8::1]\""}, true},
      {"access.relay.allow", {"10.0.0.0/8", "\"::1\"", "127.0.0.0/8", "192.0.2.0/24"}, true},
      {"access.relay.deny", {"10.1.0.0/16"}, true},
      {"access.connect.deny", {"\"2001:db8::/32\"", "10.9.9.9"}, true},
      {"extensions.disable", {"DSN", "CHUNKING"}, true},
      {"domains",
       {"{ name: x.example, type: alias }", "{ name: \"*.y.example\", type: remote, relay: true }"},
       true,
       true},
      {"spool.materialise_after", {"0", "5s"}},
      {"banner", {"hello", "\"\""}},
  };
  return all;
}

struct Reading {
  VirtualServer server;
  std::vector<std::string> problems;
};

Reading read(const std::string& text) {
  ProblemList problems;
  Context context("/etc/a.yaml", problems);
  Reading out;
  read_document(text, server_keys(), context, out.server);
  for (const auto& problem : problems.take()) out.problems.push_back(problem.to_string());
  return out;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> out;
  size_t at = 0;
  while (at < text.size()) {
    const size_t end = std::min(text.find('\n', at), text.size() - 1) + 1;
    out.push_back(text.substr(at, end - at));
    at = end;
  }
  return out;
}

// Lines of `before` that `after` does not have at the same turn: those that were changed or went.
size_t lines_lost(const std::string& before, const std::string& after) {
  const auto a = lines_of(before), b = lines_of(after);
  std::vector<std::vector<size_t>> common(a.size() + 1, std::vector<size_t>(b.size() + 1));
  for (size_t i = a.size(); i-- > 0;) {
    for (size_t j = b.size(); j-- > 0;) {
      common[i][j] =
          a[i] == b[j] ? common[i + 1][j + 1] + 1 : std::max(common[i + 1][j], common[i][j + 1]);
    }
  }
  return a.size() - common[0][0];
}

std::vector<std::string> example_texts() {
  std::vector<std::string> out;
  for (const char* const directory : {"/examples", "/virtual-servers.d"}) {
    const std::string path = std::string(MAILROOT_CONF_DIRECTORY) + directory;
    for (const auto& file : std::filesystem::directory_iterator(path)) {
      std::ifstream stream(file.path(), std::ios::binary);
      std::stringstream text;
      text << stream.rdbuf();
      out.push_back(text.str());
    }
  }
  return out;
}

Edit random_edit(Dice& dice, const Reading& now) {
  const Sample& sample = samples()[dice.roll(samples().size())];
  const size_t count = sample.values.size();
  if (dice.roll(8) == 0) return erase(sample.path);
  if (!sample.is_list) return set(sample.path, sample.values[dice.roll(count)]);
  std::vector<std::string> some;
  for (const auto& value : sample.values) {
    if (dice.roll(2) == 0) some.push_back(value);
  }
  if (some.empty()) some.push_back(sample.values.front());
  const bool is_domains = sample.is_records;
  if (is_domains && dice.roll(2) == 0 && !now.server.domains.empty()) {
    return remove(sample.path, {dice.roll(now.server.domains.size())});
  }
  if (is_domains || dice.roll(2) == 0) return set_list(sample.path, some, is_domains);
  return add(sample.path, {some.front()});
}

std::string printed(const VirtualServer& server, const std::string& path) {
  return server_keys().find(path)->value.print(server);
}

// What a file with nothing but this key says.
std::string meant(const Edit& edit) {
  const Reading reading = read(edited("", edit));
  return printed(reading.server, edit.path);
}

void check_edit(const std::string& before, const Edit& edit, const std::string& after) {
  const Reading old = read(before), fresh = read(after);
  REQUIRE_MESSAGE(fresh.problems == old.problems, after);
  for (const auto& key : server_keys().keys) {
    if (!key.value.available() || key.path == edit.path) continue;
    CHECK_MESSAGE(key.value.print(old.server) == key.value.print(fresh.server), key.path);
  }
  const std::string now = printed(fresh.server, edit.path);
  if (edit.action == Edit::Action::set) CHECK(now == meant(edit));
  if (edit.action == Edit::Action::erase) CHECK(now == printed(VirtualServer{}, edit.path));
  // A list in lines, or a section that went: so many lines at most.
  const size_t lost = lines_lost(before, after);
  const size_t most = edit.action == Edit::Action::set && !edit.is_list ? 1 : 6;
  CHECK_MESSAGE(lost <= most, lost << " lines lost\n" << before << "\n---\n" << after);
  for (const auto& line : lines_of(before)) {
    const bool is_comment = line.find_first_not_of(' ') == line.find('#') && line.contains('#');
    if (is_comment) CHECK_MESSAGE(after.contains(line), line);
  }
}

void play(std::string text, uint64_t seed, bool with_returns) {
  CAPTURE(seed);
  Dice dice(seed);
  for (int round = 0; round < 40; ++round) {
    const Edit edit = random_edit(dice, read(text));
    CAPTURE(edit.path);
    const std::string after = edited(text, edit);
    REQUIRE_MESSAGE(!after.starts_with("refused"), after << "\n" << text);
    check_edit(text, edit, after);
    const auto count = [](const std::string& of, const char* what) {
      size_t found = 0;
      for (size_t at = of.find(what); at != std::string::npos; at = of.find(what, at + 1)) ++found;
      return found;
    };
    if (with_returns) CHECK(count(after, "\n") == count(after, "\r\n"));
    const bool repeats = edit.action == Edit::Action::set || edit.action == Edit::Action::erase;
    if (repeats) CHECK(edited(after, edit) == after);
    text = after;
  }
}

}  // namespace

TEST_CASE("random edits of the files in conf/") {
  uint64_t seed = 1;
  const auto texts = example_texts();
  REQUIRE(texts.size() >= 4);
  for (const auto& text : texts) {
    REQUIRE(read(text).problems.empty());
    for (int i = 0; i < 6; ++i) play(text, seed++, false);
    std::string with_returns;
    for (const char c : text) with_returns += c == '\n' ? std::string("\r\n") : std::string(1, c);
    play(with_returns, seed++, true);
    play(text.substr(0, text.size() - 1), seed++, false);
  }
}

}  // namespace mailroot::config
