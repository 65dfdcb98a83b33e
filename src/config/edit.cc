#include "mailroot/config/edit.h"

#include <fmt/format.h>

#include "edit_write.h"
#include "mailroot/config/limits.h"
#include "source_text.h"

namespace mailroot::config {

namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

Replacements plan_edit(const EditPlace& place) {
  const Target& target = place.target;
  const Edit& edit = place.edit;
  if (edit.action == Edit::Action::erase) {
    if (!target.found) return std::vector<Replacement>();
    return erase_key(place);
  }
  if (!edit.is_list) {
    return target.found ? replace_value(place) : insert_key(place, edit.values);
  }
  const auto entries = plan_list(target.found ? &target.value() : nullptr, edit);
  if (!entries) return std::unexpected(at_key(target, "the value is no YAML on one line"));
  if (target.found) return change_list(place, *entries);
  if (edit.action == Edit::Action::remove) return std::vector<Replacement>();
  return insert_key(place, edit.values);
}

std::unexpected<Problem> refuse(const std::string& file, const std::string& key,
                                const Obstacle& obstacle) {
  Problem problem;
  problem.place = {file, obstacle.line, obstacle.column};
  problem.key = key;
  problem.text = obstacle.text + ": this cannot be changed safely; edit the file by hand";
  return std::unexpected(std::move(problem));
}

std::expected<std::string, Problem> edit_body(std::string_view text, const std::string& file,
                                              const Edit& edit,
                                              const std::vector<std::string>& key_order) {
  const auto path = parse_path(edit.path);
  if (!path) return refuse(file, edit.path, {1, 1, "this is no key"});
  auto tree = parse_yaml(text, file);
  if (!tree) return std::unexpected(std::move(tree.error()));
  const SourceLines lines(text);
  const auto target = locate(*tree, lines, *path);
  if (!target) return refuse(file, edit.path, target.error());
  const bool is_removal = edit.action == Edit::Action::erase || edit.action == Edit::Action::remove;
  if (!target->found && is_removal) return std::string(text);
  Node expected = *tree;
  if (!apply_to_tree(expected, *path, edit)) {
    return refuse(file, edit.path, at_key(*target, "the value is no YAML on one line"));
  }
  auto replacements = plan_edit({*tree, lines, *target, edit, key_order});
  if (!replacements) return refuse(file, edit.path, replacements.error());
  auto fresh = apply_replacements(text, std::move(*replacements));
  // The proof: what is there now means what it should, and everything else what it meant.
  const auto parsed = fresh ? parse_yaml(*fresh, file) : std::unexpected(Problem{});
  if (!parsed || !same_tree(*parsed, expected)) {
    return refuse(file, edit.path, at_key(*target, "it is written in an unusual way"));
  }
  return std::move(*fresh);
}

}  // namespace

std::expected<std::string, Problem> edit_yaml(std::string_view text, const std::string& file,
                                              const Edit& edit,
                                              const std::vector<std::string>& key_order) {
  if (auto checked = check_source(text, file); !checked) {
    return std::unexpected(std::move(checked.error()));
  }
  std::string_view mark;
  if (text.starts_with(kByteOrderMark)) mark = kByteOrderMark;
  auto body = edit_body(text.substr(mark.size()), file, edit, key_order);
  if (!body) return body;
  std::string out = std::string(mark) + *body;
  if (out.size() > kFileSizeMax) {
    return refuse(file, edit.path,
                  {1, 1, fmt::format("the file would be larger than {} KiB", kFileSizeMax / kKiB)});
  }
  return out;
}

}  // namespace mailroot::config
