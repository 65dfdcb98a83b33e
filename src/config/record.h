// A record is a struct of the snapshot and the table of its keys. One declared key says everything
// about it: path, type, bounds, text, when a change is seen, how it is read and how it is printed.
// Parser, effective configuration, example files and manual all walk these tables.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "context.h"
#include "mailroot/config/describe.h"
#include "nearest.h"
#include "source_text.h"

namespace mailroot::config {

// How values of one key are read into and printed from a record of type S. A kind (kinds.h) makes
// it; `read` complains through the context and leaves the record alone when the value is wrong.
template <class S>
struct Value {
  std::string type;  // what is allowed, for messages and the manual: "integer, 1 to 1000"
  std::function<void(const Node&, Context&, S&)> read;
  std::function<std::string(const S&)> print;   // as YAML; absent: not in this version
  std::vector<KeyDescription> entry_keys = {};  // of a list of records, for the manual
  Shape shape = Shape::value;
  bool available() const { return static_cast<bool>(print); }
};

template <class S>
struct Key {
  std::string_view path;
  Value<S> value;
  Reload reload;
  std::string_view text;
  // What the manual calls the default when the struct's own initial value is not it.
  std::string_view default_words = {};
  bool required = false;
};

template <class S>
struct KeyTable {
  std::vector<Key<S>> keys;
  KnownPaths known;

  explicit KeyTable(std::vector<Key<S>> all) : keys(std::move(all)) {
    for (const auto& key : keys) known.add(key.path);
  }
  const Key<S>* find(std::string_view path) const {
    for (const auto& key : keys) {
      if (key.path == path) return &key;
    }
    return nullptr;
  }
};

void complain_unknown_key(const Node& key, const std::string& local_path, const KnownPaths& known,
                          Context& context);
void complain_duplicate_key(const Node& key, const Node& first, Context& context);

template <class S>
void read_section(const Node& node, const KeyTable<S>& table, const std::string& prefix,
                  Context& context, S& record);

// One key of a map: a section goes down, a declared key is read, anything else is a problem.
template <class S>
void read_entry(const Node& key, const Node& value, const std::string& path,
                const KeyTable<S>& table, Context& context, S& record) {
  const bool empty = value.kind == Node::Kind::null;
  if (table.known.is_section(path)) {
    if (value.kind == Node::Kind::map) {
      read_section(value, table, path, context, record);
    } else if (!empty) {
      context.complain_wrong_type(value, "a map of keys");
    }
    return;
  }
  const Key<S>* const found = key.text.contains('.') ? nullptr : table.find(path);
  if (found == nullptr) {
    complain_unknown_key(key, path, table.known, context);
    return;
  }
  // A null has no place of its own: yaml-cpp marks what follows it.
  context.remember(empty ? key : value);
  if (empty && found->value.available()) {
    context.complain_empty(key, found->value.type);
  } else {
    found->value.read(value, context, record);
  }
}

// Reads the map `node` into `record`; `prefix` is the path inside the table read so far.
template <class S>
void read_section(const Node& node, const KeyTable<S>& table, const std::string& prefix,
                  Context& context, S& record) {
  std::map<std::string_view, const Node*> seen;
  for (size_t i = 0; i < node.size(); ++i) {
    const Node& key = node.key(i);
    const Context::Step step(context, key.text);
    const auto [first, is_new] = seen.emplace(key.text, &key);
    if (!is_new) {
      complain_duplicate_key(key, *first->second, context);
      continue;
    }
    const std::string path = prefix.empty() ? key.text : prefix + "." + key.text;
    read_entry(key, node.value(i), path, table, context, record);
  }
}

// Reads one record; an empty one is a map without keys. Complains about missing required keys.
template <class S>
void read_record(const Node& node, const KeyTable<S>& table, Context& context, S& record) {
  if (node.kind == Node::Kind::map) {
    read_section(node, table, "", context, record);
  } else if (node.kind != Node::Kind::null) {
    context.complain_wrong_type(node, "a map of keys");
    return;
  }
  for (const auto& key : table.keys) {
    if (!key.required) continue;
    const Context::Step step(context, key.path);
    if (!context.was_set(context.path())) context.complain_missing(node, key.value.type);
  }
}

// The text of one file. False when it is no YAML at all, and that is the only problem added.
template <class S>
bool read_document(std::string_view text, const KeyTable<S>& table, Context& context, S& record) {
  if (auto checked = check_source(text, context.file()); !checked) {
    context.add(std::move(checked.error()));
    return false;
  }
  auto tree = parse_yaml(text, context.file());
  if (!tree) {
    context.add(std::move(tree.error()));
    return false;
  }
  read_record(*tree, table, context, record);
  return true;
}

template <class S>
std::vector<KeyDescription> describe(const KeyTable<S>& table) {
  std::vector<KeyDescription> out;
  for (const auto& key : table.keys) {
    KeyDescription description;
    description.path = key.path;
    description.type = key.value.type;
    description.text = key.text;
    description.reload = key.reload;
    description.available = key.value.available();
    description.shape = key.value.shape;
    if (!key.default_words.empty()) {
      description.default_value = key.default_words;
    } else if (key.value.available()) {
      description.default_value = key.value.print(S{});
    }
    out.push_back(std::move(description));
    for (KeyDescription entry : key.value.entry_keys) {
      entry.path = std::string(key.path) + "[]." + entry.path;
      out.push_back(std::move(entry));
    }
  }
  return out;
}

const KeyTable<Service>& service_keys();
const KeyTable<VirtualServer>& server_keys();
const KeyTable<Binding>& binding_keys();
const KeyTable<Domain>& domain_keys();
const KeyTable<CertificatePair>& certificate_keys();

// Parts of server_keys(), in the order of the file.
std::vector<Key<VirtualServer>> general_keys();
std::vector<Key<VirtualServer>> access_keys();
std::vector<Key<VirtualServer>> message_keys();
std::vector<Key<VirtualServer>> delivery_keys();
std::vector<Key<VirtualServer>> directory_keys();
std::vector<Key<VirtualServer>> domain_list_keys();

}  // namespace mailroot::config
