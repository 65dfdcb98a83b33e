// Ids from names, home directories from paths.
#include <algorithm>
#include <set>

#include "mailroot/base/slug.h"
#include "mailroot/config/limits.h"
#include "mailroot/import/limits.h"
#include "mailroot/smtp/grammar.h"
#include "server_context.h"
#include "text.h"

namespace mailroot::import {

namespace {

using smtp::equals_ignoring_case;

constexpr std::string_view kUsualRoot = "/var/spool/mailroot";

// IIS's own default server under one of its default names keeps what it is.
bool is_default_server(const Instance& instance, std::string_view name) {
  return instance.number == 1 &&
         (name == "default-smtp-virtual-server" || name == "smtp-virtual-server-1" || name.empty());
}

std::string with_slashes(std::string_view windows) {
  std::string out(trim(windows));
  std::ranges::replace(out, '\\', '/');
  while (out.size() > 1 && out.ends_with('/')) out.pop_back();
  return out;
}

// A component that is "..", or a character that no path here may have, makes it unfit.
bool is_clean(std::string_view path) {
  if (path.size() > config::kPathMax - 100 || !smtp::is_valid_utf8(path)) return false;
  if (one_line(path, path.size()) != path || path.contains("//")) return false;
  return !(std::string(path) + "/").contains("/../") && !(std::string(path) + "/").contains("/./");
}

// The parent of the folder, if the folder has the name it has in Mailroot.
std::string home_of(const Key& key, const Key* service) {
  for (const auto& [property, name] :
       {std::pair("PickupDirectory", "pickup"), std::pair("QueueDirectory", "queue")}) {
    const Property* found = key.find(property);
    if (found == nullptr && service != nullptr) found = service->find(property);
    if (found == nullptr) continue;
    const std::string path = with_slashes(found->value);
    const size_t slash = path.rfind('/');
    if (slash == std::string::npos || slash == 0) continue;
    if (equals_ignoring_case(std::string_view(path).substr(slash + 1), name)) {
      return path.substr(0, slash);
    }
  }
  return {};
}

std::string map_path(const std::string& windows, const std::vector<PathMap>& maps) {
  const PathMap* best = nullptr;
  for (const PathMap& map : maps) {
    const std::string from = with_slashes(map.from);
    if (windows.size() < from.size() ||
        !equals_ignoring_case(std::string_view(windows).substr(0, from.size()), from)) {
      continue;
    }
    if (windows.size() > from.size() && windows[from.size()] != '/') continue;
    if (best == nullptr || from.size() > with_slashes(best->from).size()) best = &map;
  }
  if (best == nullptr) return {};
  std::string out = best->to;
  while (out.size() > 1 && out.ends_with('/')) out.pop_back();
  const std::string_view below = std::string_view(windows).substr(with_slashes(best->from).size());
  if (out == "/") return std::string(below);
  return out + std::string(below);
}

bool is_same_or_inside(std::string_view inner, std::string_view outer) {
  if (!inner.starts_with(outer)) return false;
  return inner.size() == outer.size() || inner[outer.size()] == '/';
}

// Homes that are taken; a new one must not be, hold or lie in one of them.
class Taken {
 public:
  bool clashes(const std::string& path) const {
    for (size_t slash = path.size(); slash != std::string::npos && slash > 0;
         slash = path.rfind('/', slash - 1)) {
      if (paths_.contains(path.substr(0, slash))) return true;
    }
    const auto below = paths_.lower_bound(path + "/");
    return below != paths_.end() && below->starts_with(path + "/");
  }
  void add(const std::string& path) { paths_.insert(path); }

 private:
  std::set<std::string> paths_;
};

}  // namespace

std::vector<std::string> choose_ids(const Metabase& metabase) {
  std::vector<std::string> out;
  std::set<std::string> taken;
  for (const Instance& instance : metabase.instances) {
    const Property* comment = instance.key.find("ServerComment");
    std::string id = slug(comment == nullptr ? "" : comment->value, kIdMax);
    const bool is_default = is_default_server(instance, id);
    if (is_default) {
      id = "default";
    } else if (id.empty()) {
      id = fmt::format("smtpsvc-{}", instance.number);
    } else if (id == "default") {
      id = fmt::format("default-{}", instance.number);
    }
    while (!taken.insert(id).second) id += fmt::format("-{}", instance.number);
    out.push_back(std::move(id));
  }
  return out;
}

std::vector<HomeChoice> choose_homes(const Metabase& metabase, const std::vector<std::string>& ids,
                                     const std::vector<PathMap>& maps) {
  // The usual places of all are kept free: each may have to fall back to its own.
  const std::set<std::string, std::less<>> names(ids.begin(), ids.end());
  const auto is_in_usual = [&names](std::string_view path) {
    if (is_same_or_inside(kUsualRoot, path)) return true;
    if (!is_same_or_inside(path, kUsualRoot)) return false;
    const std::string_view below = path.substr(kUsualRoot.size() + 1);
    return names.contains(below.substr(0, below.find('/')));
  };
  std::vector<HomeChoice> out;
  Taken taken;
  for (size_t i = 0; i < ids.size(); ++i) {
    HomeChoice choice{fmt::format("{}/{}", kUsualRoot, ids[i]), "", false};
    const Key* service = metabase.service ? &*metabase.service : nullptr;
    const std::string windows = home_of(metabase.instances[i].key, service);
    const std::string mapped = map_path(windows, maps);
    if (windows.empty()) {
      choice.remark =
          "its directories do not lie together as Pickup and Queue in one Mailroot "
          "directory: the usual place";
    } else if (mapped == choice.path) {
      choice.mapped = true;
    } else if (!mapped.empty() && !is_clean(mapped)) {
      choice.remark = "its --map leads to a path that cannot be used: the usual place";
    } else if (!mapped.empty() && (taken.clashes(mapped) || is_in_usual(mapped))) {
      choice.remark = fmt::format(
          "its --map leads to {}, which holds or lies in the directory of "
          "another virtual server: the usual place",
          mapped);
    } else if (!mapped.empty()) {
      choice.path = mapped;
      choice.mapped = true;
      taken.add(mapped);
    }
    out.push_back(std::move(choice));
  }
  return out;
}

std::expected<PathMap, std::string> parse_path_map(std::string_view text) {
  const size_t equals = text.find('=');
  PathMap out;
  if (equals != std::string_view::npos) {
    out.from = trim(text.substr(0, equals));
    out.to = trim(text.substr(equals + 1));
  }
  if (out.from.empty() || !out.to.starts_with('/') || !is_clean(out.to)) {
    return std::unexpected(
        fmt::format("--map is WINDOWS=UNIX, as 'C:\\Inetpub=/var/spool/mailroot';"
                    " found {}",
                    one_line(text, kShownMax)));
  }
  return out;
}

}  // namespace mailroot::import
