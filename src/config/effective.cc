// What is in force and where it was set; keys by their path.
#include <algorithm>

#include "mailroot/config/describe.h"
#include "record.h"
#include "scalars.h"

namespace mailroot::config {

namespace {

// "domains[2].relay" and "domains[sales.example].relay" are "domains[].relay".
std::string without_indexes(std::string_view path) {
  const size_t open = path.find('['), close = path.rfind(']');
  if (open == std::string_view::npos || close == std::string_view::npos || close < open) {
    return std::string(path);
  }
  return std::string(path.substr(0, open + 1)) + std::string(path.substr(close));
}

const std::vector<KeyDescription>& all_keys() {
  static const std::vector<KeyDescription> keys = describe_server_keys();
  return keys;
}

}  // namespace

const KeyDescription* find_server_key(std::string_view path) {
  const std::string wanted = without_indexes(path);
  const auto found = std::find_if(all_keys().begin(), all_keys().end(),
                                  [&wanted](const auto& key) { return key.path == wanted; });
  return found == all_keys().end() ? nullptr : &*found;
}

std::string nearest_server_key(std::string_view path) {
  const std::string wanted = without_indexes(path);
  const std::string name = wanted.substr(wanted.rfind('.') + 1);
  KnownPaths known;
  std::set<std::string, std::less<>> paths;
  std::string same_name;
  for (const auto& key : all_keys()) {
    known.add(key.path);
    paths.insert(key.path);
    if (key.path.ends_with("." + name)) same_name += (same_name.empty() ? "" : " or ") + key.path;
  }
  if (!same_name.empty()) return same_name;
  const std::string sibling = known.nearest(wanted);
  return sibling.empty() ? nearest_of(wanted, paths) : sibling;
}

namespace {

template <class S>
std::string why_wrong(const KeyTable<S>& table, std::string_view path, const Node& node) {
  const Key<S>* const key = table.find(path);
  if (key == nullptr) return "there is no such key";
  ProblemList problems;
  Context context("", problems);
  S record;
  key->value.read(node, context, record);
  for (Problem& problem : problems.take()) {
    problem.place = {};
    problem.key.clear();
    return problem.to_string();
  }
  return {};
}

}  // namespace

std::string why_wrong_value(std::string_view path, const std::string& yaml) {
  const auto node = parse_yaml(yaml, "");
  if (!node) return node.error().text;
  constexpr std::string_view kBinding = "bindings[].", kDomain = "domains[].";
  if (path.starts_with(kBinding)) {
    return why_wrong(binding_keys(), path.substr(kBinding.size()), *node);
  }
  if (path.starts_with(kDomain)) {
    return why_wrong(domain_keys(), path.substr(kDomain.size()), *node);
  }
  return why_wrong(server_keys(), path, *node);
}

std::string quote_scalar(std::string_view text) { return quote(text); }

namespace {

// The file is read again for the places.
template <class S>
std::vector<EffectiveKey> effective(const KeyTable<S>& table, const S& record,
                                    const std::string& file) {
  ProblemList problems;
  Context context(file, problems);
  S again;
  if (const auto text = read_source(file)) read_document(*text, table, context, again);
  std::vector<EffectiveKey> out;
  for (const auto& description : describe(table)) {
    const Key<S>* const key = table.find(description.path);
    if (key == nullptr || !key->value.available()) continue;
    EffectiveKey effective{description, key->value.print(record), std::nullopt};
    if (context.was_set(description.path)) {
      effective.place = context.place_of_key(description.path);
    }
    out.push_back(std::move(effective));
  }
  return out;
}

}  // namespace

std::vector<EffectiveKey> effective_keys(const VirtualServer& server) {
  return effective(server_keys(), server, server.place.file);
}

std::vector<EffectiveKey> effective_keys(const Service& service, const std::string& file) {
  return effective(service_keys(), service, file);
}

}  // namespace mailroot::config
