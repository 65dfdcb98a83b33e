// From the words of a command line to an edit.
#include <fmt/format.h>

#include <algorithm>

#include "edit_tree.h"
#include "mailroot/config/describe.h"
#include "mailroot/config/edit.h"
#include "mailroot/smtp/grammar.h"
#include "record.h"
#include "scalars.h"

namespace mailroot::config {

namespace {

using Words = std::vector<std::string>;
template <class T>
using Said = std::expected<T, std::string>;

std::vector<std::string> labels_of(const VirtualServer& server, std::string_view list) {
  std::vector<std::string> out;
  if (list == "bindings") {
    for (const auto& binding : server.bindings) out.push_back(binding.to_string());
  } else if (list == "domains") {
    for (const auto& domain : server.domains) out.push_back(domain.name);
  }
  return out;
}

std::string joined(const Words& words, std::string_view between) {
  std::string out;
  for (const auto& word : words)
    out += (&word == &words.front() ? "" : std::string(between)) + word;
  return out;
}

Said<size_t> find_label(const VirtualServer& server, std::string_view list,
                        std::string_view label) {
  const auto labels = labels_of(server, list);
  for (size_t i = 0; i < labels.size(); ++i) {
    if (smtp::equals_ignoring_case(labels[i], label)) return i;
  }
  if (const auto number = parse_number(label)) return *number;
  if (list == "domains" && smtp::equals_ignoring_case(server.default_domain, label)) {
    return std::unexpected(
        fmt::format("{} is the default domain; it cannot be removed, only renamed: server set {} "
                    "default_domain NEW",
                    label, server.id));
  }
  return std::unexpected(fmt::format("{} has no entry {}; it has: {}", list, label,
                                     labels.empty() ? "none" : joined(labels, ", ")));
}

// "domains[sales.example].relay" -> "domains[2].relay".
Said<std::string> with_numbers(const std::string& path, const VirtualServer& server) {
  const size_t open = path.find('['), close = path.rfind(']');
  if (open == std::string::npos || close == std::string::npos || close < open) return path;
  const auto index =
      find_label(server, path.substr(0, open), path.substr(open + 1, close - open - 1));
  if (!index) return std::unexpected(index.error());
  return path.substr(0, open + 1) + std::to_string(*index) + path.substr(close);
}

// Entries of a list of plain values, as YAML.
Words list_entries(const Words& words) {
  Words out;
  for (std::string word : words) {
    const bool is_yaml_list =
        word == "[]" || (word.starts_with('[') && word.ends_with(']') && word.contains(','));
    if (is_yaml_list) word = word.substr(1, word.size() - 2);
    for (size_t at = 0; at <= word.size();) {
      const size_t end = std::min(word.find(',', at), word.size());
      std::string entry = word.substr(at, end - at);
      const size_t first = entry.find_first_not_of(" \"'");
      const size_t last = entry.find_last_not_of(" \"'");
      if (first != std::string::npos) out.push_back(quote(entry.substr(first, last - first + 1)));
      at = end + 1;
    }
  }
  return out;
}

// "192.0.2.1:25", "[::1]:25", "*:25".
Said<std::string> binding_entry(const std::string& word) {
  const size_t colon = word.rfind(':');
  if (colon == std::string::npos || colon + 1 == word.size()) {
    return std::unexpected(
        fmt::format("\"{}\" is no ADDRESS:PORT, such as 192.0.2.1:25, "
                    "\"[2001:db8::1]:25\" or all-unassigned:25",
                    word));
  }
  std::string address = word.substr(0, colon);
  if (address == "*") address = "all-unassigned";
  return fmt::format("{{ address: {}, port: {} }}", quote(address), quote(word.substr(colon + 1)));
}

// "key=value", the value a list where the key is one.
std::string pair_text(const std::string& list, const std::string& word, size_t equals) {
  const std::string name = word.substr(0, equals), value = word.substr(equals + 1);
  const KeyDescription* const key = find_server_key(list + "[]." + name);
  if (key == nullptr || key->shape != Shape::list) return name + ": " + quote(value);
  return name + ": [" + joined(list_entries({value}), ", ") + "]";
}

// Entries of a list of maps, as YAML in braces.
Said<Words> record_entries(const std::string& list, const Words& words) {
  Words out;
  for (const auto& word : words) {
    const size_t equals = word.find('=');
    if (word == "[]") continue;
    if (word.starts_with('{')) {
      out.push_back(word);
    } else if (equals != std::string::npos && !out.empty() && out.back().ends_with(" }")) {
      out.back().resize(out.back().size() - 2);
      out.back() += ", " + pair_text(list, word, equals) + " }";
    } else if (list == "bindings") {
      auto entry = binding_entry(word);
      if (!entry) return std::unexpected(entry.error());
      out.push_back(std::move(*entry));
    } else {
      out.push_back("{ name: " + quote(word) + " }");
    }
  }
  return out;
}

const Node* find_node(const Node& root, const std::vector<PathStep>& path) {
  const Node* node = &root;
  for (const auto& step : path) {
    size_t i = 0;
    while (i < node->size() && node->kind == Node::Kind::map && node->key(i).text != step.key) ++i;
    if (node->kind != Node::Kind::map || i == node->size()) return nullptr;
    node = &node->value(i);
    if (!step.index) continue;
    if (node->kind != Node::Kind::list || *step.index >= node->items.size()) return nullptr;
    node = &node->items[*step.index];
  }
  return node;
}

// What an entry of a list means, whatever way it is written: "::1" and "::1/128" are one.
std::string meaning(const Key<VirtualServer>& key, const std::string& text) {
  Node list;
  list.kind = Node::Kind::list;
  list.items.emplace_back();
  list.items.back().kind = Node::Kind::scalar;
  list.items.back().text = text;
  ProblemList problems;
  Context context("", problems);
  VirtualServer server;
  key.value.read(list, context, server);
  return problems.empty() ? key.value.print(server) : text;
}

class WishReader {
 public:
  WishReader(const Wish& wish, std::string_view text, const VirtualServer& server)
      : wish_(wish), text_(text), server_(server) {}

  Said<Edit> run() {
    const KeyDescription* const key = find_server_key(wish_.key);
    if (key == nullptr) return std::unexpected(unknown());
    auto path = with_numbers(wish_.key, server_);
    if (!path) return std::unexpected(path.error());
    edit_.action = wish_.action;
    edit_.path = std::move(*path);
    edit_.is_list = key->shape != Shape::value;
    edit_.is_records = key->shape == Shape::records;
    if (wish_.action == Edit::Action::erase) return edit_;
    return edit_.is_list ? of_list() : of_value();
  }

 private:
  std::string unknown() const {
    const std::string nearest = nearest_server_key(wish_.key);
    std::string out = fmt::format("there is no key \"{}\"", log::escape(wish_.key));
    if (!nearest.empty()) out += fmt::format("; did you mean {}?", nearest);
    return out + " (server keys lists all)";
  }

  Said<Edit> of_value() {
    if (wish_.action != Edit::Action::set) {
      return std::unexpected(wish_.key + " is no list; give its new value");
    }
    if (wish_.words.empty())
      return std::unexpected("the new value of " + wish_.key + " is missing");
    edit_.values = {quote(joined(wish_.words, " "))};
    return edit_;
  }

  Said<Edit> of_list() {
    if (wish_.words.empty()) return std::unexpected("the entries of " + wish_.key + " are missing");
    auto tree = parse_yaml(text_, server_.place.file);
    const auto path = parse_path(edit_.path);
    if (!path) return std::unexpected(edit_.path + " is no key");
    if (tree) tree_ = std::move(*tree);
    old_ = find_node(tree_, *path);
    if (old_ != nullptr && old_->kind != Node::Kind::list) old_ = nullptr;
    if (wish_.action == Edit::Action::remove) {
      return edit_.is_records ? remove_records() : remove_values();
    }
    auto entries = edit_.is_records ? record_entries(edit_.path, wish_.words)
                                    : Said<Words>(list_entries(wish_.words));
    if (!entries) return std::unexpected(entries.error());
    if (wish_.action == Edit::Action::add && old_ == nullptr) keep_default(*entries);
    edit_.values = std::move(*entries);
    return edit_;
  }

  Said<Edit> remove_records() {
    for (const auto& word : wish_.words) {
      const auto index = find_label(server_, edit_.path, word);
      if (!index) return std::unexpected(index.error());
      if (old_ == nullptr || *index >= old_->items.size()) {
        return std::unexpected(fmt::format("{} has no entry {}", edit_.path, *index));
      }
      edit_.entries.push_back(*index);
    }
    return edit_;
  }

  Said<Edit> remove_values() {
    const Key<VirtualServer>* const key = server_keys().find(edit_.path);
    const Words present = present_values();
    std::vector<bool> goes(present.size());
    for (const auto& written : list_entries(wish_.words)) {
      const auto node = parse_value(written);
      const std::string word = node ? node->text : written;
      bool found = false;
      for (size_t i = 0; i < present.size(); ++i) {
        const bool same =
            key != nullptr ? meaning(*key, present[i]) == meaning(*key, word) : present[i] == word;
        if (same) goes[i] = found = true;
      }
      if (!found) {
        return std::unexpected(fmt::format("{} has no entry {}; it has: {}", edit_.path, word,
                                           present.empty() ? "none" : joined(present, ", ")));
      }
    }
    for (size_t i = 0; i < present.size(); ++i) {
      if (goes[i]) {
        edit_.entries.push_back(i);
      } else if (old_ == nullptr) {
        edit_.values.push_back(quote(present[i]));
      }
    }
    // Out of a default: what is left of it is written down.
    if (old_ == nullptr) edit_.action = Edit::Action::set;
    return edit_;
  }

  // In the file, else by default.
  Words present_values() const {
    Words out;
    if (old_ != nullptr) {
      for (const auto& item : old_->items) out.push_back(item.text);
      return out;
    }
    const Key<VirtualServer>* const key = server_keys().find(edit_.path);
    if (key == nullptr) return out;
    const auto list = parse_value(key->value.print(server_));
    if (!list) return out;
    for (const auto& item : list->items) out.push_back(item.text);
    return out;
  }

  void keep_default(Words& entries) {
    if (edit_.is_records) return;
    const Words present = present_values();
    if (present.empty()) return;
    edit_.action = Edit::Action::set;
    Words all;
    for (const auto& value : present) all.push_back(quote(value));
    all.insert(all.end(), entries.begin(), entries.end());
    entries = std::move(all);
  }

  const Wish& wish_;
  std::string_view text_;
  const VirtualServer& server_;
  Edit edit_;
  Node tree_;
  const Node* old_ = nullptr;
};

}  // namespace

std::expected<Edit, std::string> edit_of_wish(const Wish& wish, std::string_view text,
                                              const VirtualServer& server) {
  return WishReader(wish, text, server).run();
}

const std::vector<std::string>& server_key_order() {
  static const std::vector<std::string> order = [] {
    std::vector<std::string> out;
    for (const auto& key : describe_server_keys()) out.push_back(key.path);
    return out;
  }();
  return order;
}

}  // namespace mailroot::config
