#include "render.h"

#include <fmt/format.h>

#include <sstream>

namespace mailroot::config {

namespace {

constexpr size_t kCommentWidth = 96;

constexpr std::string_view kServiceHead =
    "# Mailroot's service file. Every key is here with its default; a key left out means the "
    "same.\n"
    "# A change is seen at reload unless its comment says otherwise. Relative paths start at the\n"
    "# directory of this file. Sizes: 2048 KiB, 25 MB.\n"
    "# Check with: mailrootd --config FILE --check. Apply with: mailrootctl reload.\n";
constexpr std::string_view kServerHead =
    "# One virtual server; this file's name without \".yaml\" is its id. Every key is here with "
    "its\n"
    "# default, except access.relay.allow, which lists this machine. A key left out means the\n"
    "# default. A change is seen at reload unless its comment says otherwise.\n"
    "# Durations: 500ms 90s 15m 12h 2d. Sizes: 2048 KiB, 25 MB. Networks: 192.0.2.0/24,\n"
    "# \"2001:db8::/32\". What contains a colon, a bracket or a star is written in quotes.\n"
    "# Check with: mailrootd --config FILE --check. Apply with: mailrootctl reload.\n\n";

std::vector<std::string_view> split(std::string_view path) {
  std::vector<std::string_view> out;
  while (!path.empty()) {
    const size_t dot = std::min(path.find('.'), path.size());
    out.push_back(path.substr(0, dot));
    path.remove_prefix(std::min(dot + 1, path.size()));
  }
  return out;
}

}  // namespace

std::string_view to_string(Reload reload) {
  switch (reload) {
    case Reload::live:
      return "live";
    case Reload::new_sessions:
      return "new sessions";
    case Reload::restart:
      return "restart";
  }
  return "";
}

std::string render_comment(const std::string& text, size_t indent) {
  std::string out;
  const std::string start = std::string(indent, ' ') + "#";
  std::string line = start;
  std::istringstream words(text);
  for (std::string word; words >> word;) {
    if (line.size() + 1 + word.size() > kCommentWidth && line != start) {
      out += line + "\n";
      line = start;
    }
    line += " " + word;
  }
  return out + line + "\n";
}

std::string describe_key(std::string_view text, std::string_view type, Reload reload) {
  std::string_view change;
  if (reload == Reload::new_sessions) change = "; for new sessions";
  if (reload == Reload::restart) change = "; after a restart";
  return fmt::format("{} ({}{})", text, type, change);
}

std::string render_sections(std::string_view from, std::string_view to) {
  const auto before = split(from);
  const auto after = split(to);
  size_t common = 0;
  while (common < before.size() && common < after.size() && before[common] == after[common]) {
    ++common;
  }
  std::string out;
  for (size_t depth = common; depth < after.size(); ++depth) {
    out += std::string(2 * depth, ' ') + std::string(after[depth]) + ":\n";
  }
  return out;
}

std::string render_value(std::string_view name, const std::string& value, size_t indent) {
  std::string out = fmt::format("{}{}:", std::string(indent, ' '), name);
  if (!value.starts_with('\n')) return out + " " + value + "\n";
  for (const char c : value) {
    out += c;
    if (c == '\n') out += std::string(indent + 2, ' ');
  }
  return out + "\n";
}

std::vector<KeyDescription> describe_service_keys() { return describe(service_keys()); }
std::vector<KeyDescription> describe_server_keys() { return describe(server_keys()); }

std::string render_effective(const Service& service) {
  return render(service_keys(), service, false);
}

std::string render_effective(const VirtualServer& server) {
  return render(server_keys(), server, false);
}

std::vector<ChangedKey> changed_keys(const Service& before, const Service& after) {
  return changed(service_keys(), before, after);
}

std::vector<ChangedKey> changed_keys(const VirtualServer& before, const VirtualServer& after) {
  return changed(server_keys(), before, after);
}

std::string render_commented_service() {
  return std::string(kServiceHead) + render(service_keys(), Service{}, true);
}

std::string render_commented_default_server() {
  VirtualServer server;
  server.name = "Default SMTP Virtual Server";
  server.bindings.emplace_back();
  server.home_directory = "/var/spool/mailroot/default";
  server.access.relay_allow = {*Network::parse("127.0.0.0/8"), *Network::parse("::1")};
  return std::string(kServerHead) + render(server_keys(), server, true);
}

std::string render_new_server(const VirtualServer& server) {
  std::vector<Key<VirtualServer>> own;
  for (const Key<VirtualServer>& key : server_keys().keys) {
    for (const std::string_view path :
         {"name", "bindings", "default_domain", "home_directory", "access.relay.allow"}) {
      if (key.path == path) own.push_back(key);
    }
  }
  const std::string head = fmt::format(
      "# One virtual server; this file's name without its ending is its id. A key that is not "
      "here\n"
      "# has its default: mailrootctl server show {0} lists them all, and\n"
      "# mailrootctl server set {0} KEY VALUE changes one and leaves the rest of this file alone.\n"
      "# After a change by hand: mailrootctl check, then mailrootctl reload.\n\n",
      server.id);
  return head + render(KeyTable<VirtualServer>(std::move(own)), server, true);
}

namespace {

// A line of roff text: no line may begin with a control character, no backslash is meant as one.
std::string roff(std::string_view text) {
  std::string out = "\\&";
  for (const char c : text) {
    if (c == '\\') {
      out += "\\e";
    } else if (c == '-') {
      out += "\\-";
    } else {
      out += c;
    }
  }
  return out;
}

std::string render_manual_keys(std::string_view title, const std::vector<KeyDescription>& keys) {
  std::string out = fmt::format(".SS {}\n", title);
  for (const auto& key : keys) {
    out += fmt::format(".TP\n.B {}\n{}\n.br\n", roff(key.path), roff(key.text));
    if (!key.available) {
      out += fmt::format("Not available in this version; may only be {}.\n", roff(key.type));
      continue;
    }
    out += roff(fmt::format("{}. Default: {}. Change: {}.", key.type, key.default_value,
                            to_string(key.reload))) +
           "\n";
  }
  return out;
}

}  // namespace

std::string render_manual_section() {
  return ".SH KEYS\n" + render_manual_keys("Service file", describe_service_keys()) +
         render_manual_keys("Virtual server file", describe_server_keys());
}

}  // namespace mailroot::config
