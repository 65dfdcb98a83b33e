#include "file_edit.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <set>
#include <utility>

#include "config_files.h"
#include "mailroot/config/machine_state.h"

namespace mailroot::ctl {

namespace {

std::set<std::string> finding_texts(const config::ConfigSnapshot& snapshot) {
  std::set<std::string> out;
  for (const auto& finding : config::startability(snapshot)) out.insert(finding.text);
  return out;
}

// Of what is asked for now and was not before.
std::vector<std::string> obstacles_here(const config::VirtualServer& before,
                                        const config::VirtualServer& after,
                                        const std::string& socket) {
  std::vector<std::string> out;
  const config::MachineState machine = config::look_at_machine(socket);
  for (const auto& binding : after.bindings) {
    const bool is_new =
        std::find(before.bindings.begin(), before.bindings.end(), binding) == before.bindings.end();
    const std::string why = is_new ? config::why_not_listen(config::key_of(binding), machine) : "";
    if (!why.empty()) out.push_back(binding.place.to_string() + ": bindings: " + why);
  }
  if (after.home_directory != before.home_directory) {
    const std::string why = config::why_no_home(after.home_directory, machine.user);
    if (!why.empty()) out.push_back(after.place.file + ": home_directory: " + why);
  }
  return out;
}

}  // namespace

std::expected<FileEdit, std::string> FileEdit::open(const Site& site,
                                                    const config::VirtualServer& server) {
  if (site.snapshot.built_in_default) {
    return std::unexpected(
        "this is the built-in default virtual server, which has no file; mailrootctl server new "
        "--id default makes one");
  }
  FileEdit out(site, server);
  out.seen_as_ = server.place.file;
  std::error_code error;
  out.file_ = std::filesystem::canonical(out.seen_as_, error).string();
  if (error) return std::unexpected(out.seen_as_ + ": " + error.message());
  auto text = read_config_file(out.file_);
  if (!text) return std::unexpected(text.error());
  out.old_text_ = std::move(*text);
  out.text_ = out.old_text_;
  return out;
}

std::expected<void, std::string> FileEdit::apply(const config::Wish& wish) {
  const auto edit = config::edit_of_wish(wish, text_, server_);
  if (!edit) return std::unexpected(edit.error());
  auto text = config::edit_yaml(text_, file_, *edit, config::server_key_order());
  if (!text) return std::unexpected(text.error().to_string());
  text_ = std::move(*text);
  return {};
}

FileEdit::Verdict FileEdit::check() {
  Verdict verdict;
  config::LoadOptions options;
  options.instead[seen_as_] = text_;
  auto loaded = config::load(site_.config, options);
  if (!loaded) {
    for (const auto& problem : loaded.error()) verdict.problems.push_back(problem.to_string());
    return verdict;
  }
  next_ = std::move(*loaded);
  const auto before = finding_texts(site_.snapshot);
  for (const auto& finding : config::startability(*next_)) {
    if (!before.contains(finding.text)) verdict.obstacles.push_back(finding.to_string());
  }
  if (const auto* const after = find_server(*next_, server_.id)) {
    for (auto& why : obstacles_here(server_, *after, site_.socket)) {
      verdict.obstacles.push_back(std::move(why));
    }
  }
  const auto& known = site_.snapshot.warnings;
  for (const auto& warning : next_->warnings) {
    const bool is_new = std::find(known.begin(), known.end(), warning) == known.end();
    if (is_new) verdict.warnings.push_back(warning);
  }
  return verdict;
}

std::expected<void, std::string> FileEdit::write() {
  const std::filesystem::path path(file_);
  auto directory = ConfigDirectory::open(path.parent_path().string());
  if (!directory) return std::unexpected(directory.error());
  return directory->replace(path.filename().string(), old_text_, text_);
}

std::expected<void, std::string> FileEdit::restore() {
  std::swap(old_text_, text_);
  return write();
}

std::vector<FileEdit::Change> FileEdit::changes() const {
  std::vector<Change> out;
  const auto* const after = next_ ? find_server(*next_, server_.id) : nullptr;
  if (after == nullptr) return out;
  // "\n- { a }\n- { b }" as "{ a }, { b }".
  const auto flat = [](const std::string& value) {
    std::string text;
    for (const char c : value) text += c == '\n' ? (text.empty() ? "" : ",") : std::string(1, c);
    for (size_t at = text.find("- {"); at != std::string::npos; at = text.find("- {", at)) {
      text.replace(at, 3, at == 0 ? "{" : " {");
    }
    return text;
  };
  const auto old_keys = config::effective_keys(server_), new_keys = config::effective_keys(*after);
  for (const auto& changed : config::changed_keys(server_, *after)) {
    Change change{changed.path, {}, {}, changed.reload};
    for (const auto& key : old_keys) {
      if (key.key.path == changed.path) change.before = flat(key.value);
    }
    for (const auto& key : new_keys) {
      if (key.key.path == changed.path) change.after = flat(key.value);
    }
    out.push_back(std::move(change));
  }
  return out;
}

}  // namespace mailroot::ctl
