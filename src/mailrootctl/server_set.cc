// server set and rename.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "file_edit.h"
#include "mail_left.h"
#include "server_commands.h"

namespace mailroot::ctl {

using nlohmann::ordered_json;

namespace {

using Action = config::Edit::Action;

int refuse(const std::vector<std::string>& why, const std::string& last) {
  for (const auto& line : why) fmt::print(stderr, "{}\n", line);
  return complain(last, kRefused);
}

Action action_of(const ChangeArguments& arguments) {
  if (arguments.add) return Action::add;
  if (arguments.remove) return Action::remove;
  return arguments.reset ? Action::erase : Action::set;
}

// An alias that becomes the default domain needs no entry any more; the old one gets one if asked.
std::vector<config::Wish> wishes_for_default_domain(const config::VirtualServer& server,
                                                    const config::Wish& wish, bool keep_old) {
  std::vector<config::Wish> out = {wish};
  const std::string fresh = wish.words.empty() ? "" : wish.words.front();
  const auto is_alias = [](const config::Domain& domain, const std::string& name) {
    return domain.type == config::DomainType::alias && domain.name == name;
  };
  bool old_has_entry = false;
  for (const auto& domain : server.domains) {
    if (is_alias(domain, fresh)) out.push_back({Action::remove, "domains", {fresh}});
    old_has_entry = old_has_entry || domain.name == server.default_domain;
  }
  if (keep_old && !old_has_entry && fresh != server.default_domain) {
    out.push_back({Action::add, "domains", {server.default_domain, "type=alias"}});
  }
  return out;
}

void show_changes(const FileEdit& edit) {
  for (const auto& change : edit.changes()) {
    fmt::print("{}: {} -> {}", change.key, change.before, change.after);
    if (change.seen == config::Reload::new_sessions) fmt::print(" (for new sessions)");
    if (change.seen == config::Reload::restart) fmt::print(" (after a restart)");
    fmt::print("\n");
  }
  fmt::print("{} is written\n", edit.file());
}

ordered_json to_json(const FileEdit& edit, const std::string& id) {
  ordered_json changes = ordered_json::array();
  for (const auto& change : edit.changes()) {
    changes.push_back({{"key", change.key},
                       {"before", change.before},
                       {"after", change.after},
                       {"seen", to_string(change.seen)}});
  }
  return {{"id", id}, {"file", edit.file()}, {"changes", std::move(changes)}};
}

// Checked, written, reloaded.
int carry_out(const Settings& settings, const Site& site, const config::VirtualServer& before,
              FileEdit& edit, const ChangeArguments& arguments) {
  if (edit.changes_nothing()) {
    if (settings.json) {
      fmt::print("{}\n", to_json(edit, arguments.id).dump());
    } else {
      fmt::print("nothing to change: {} says so already\n", edit.file());
    }
    return 0;
  }
  const auto verdict = edit.check();
  if (!verdict.problems.empty()) return refuse(verdict.problems, "nothing was changed");
  if (!verdict.obstacles.empty() && !arguments.force) {
    return refuse(verdict.obstacles, "nothing was changed; --force writes it all the same");
  }
  for (const auto& why : verdict.obstacles) fmt::print(stderr, "{}\n", why);
  for (const auto& warning : verdict.warnings) fmt::print(stderr, "warning: {}\n", warning);
  if (auto written = edit.write(); !written) return complain(written.error(), kRefused);
  const Reloaded reloaded = arguments.no_reload ? Reloaded{} : reload_site(site, arguments.id);
  if (settings.json) {
    ordered_json document = to_json(edit, arguments.id);
    document["reload"] = ordered_json::parse(reloaded_json(reloaded));
    fmt::print("{}\n", document.dump(-1, ' ', true, ordered_json::error_handler_t::replace));
  } else {
    show_changes(edit);
    show_reloaded(reloaded, arguments.id);
    const bool moves = std::ranges::any_of(
        edit.changes(), [](const auto& change) { return change.key == "home_directory"; });
    if (moves && reloaded.outcome == Reloaded::Outcome::applied && !reloaded.is_trouble()) {
      show_mail_left(before);
    }
  }
  return reloaded.is_trouble() ? kRefused : 0;
}

int change(const Settings& settings, const ChangeArguments& arguments, const config::Wish& wish) {
  const auto site = open_site(settings);
  if (!site) return site.error();
  const auto* const server = find_or_complain(*site, arguments.id);
  if (server == nullptr) return kRefused;
  auto edit = FileEdit::open(*site, *server);
  if (!edit) return complain(edit.error(), kRefused);
  const bool is_default_domain = wish.key == "default_domain" && wish.action == Action::set;
  if (arguments.keep_old_as_alias && !is_default_domain) {
    return complain("--keep-old-as-alias is for: server set ID default_domain NEW", kRefused);
  }
  const auto wishes = is_default_domain
                          ? wishes_for_default_domain(*server, wish, arguments.keep_old_as_alias)
                          : std::vector<config::Wish>{wish};
  for (const auto& one : wishes) {
    if (auto applied = edit->apply(one); !applied) {
      return refuse({applied.error()}, "nothing was changed");
    }
  }
  return carry_out(settings, *site, *server, *edit, arguments);
}

}  // namespace

int set_key(const Settings& settings, const ChangeArguments& arguments) {
  config::Wish wish;
  wish.action = action_of(arguments);
  wish.key = arguments.words.front();
  wish.words.assign(arguments.words.begin() + 1, arguments.words.end());
  if (wish.action == Action::erase && !wish.words.empty()) {
    return complain("--default takes a key and no value", kRefused);
  }
  return change(settings, arguments, wish);
}

int rename_server(const Settings& settings, const ChangeArguments& arguments) {
  return change(settings, arguments, {Action::set, "name", arguments.words});
}

}  // namespace mailroot::ctl
