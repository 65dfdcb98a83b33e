// Changing one value of a YAML file as people write it: the lines that say the value change, every
// other octet stays (comments, order, quotes, indentation, line ends, anchors). Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "mailroot/config/load.h"

namespace mailroot::config {

struct Edit {
  enum class Action : uint8_t {
    set,     // the value; a missing key, and the sections around it, are inserted
    add,     // entries at the end of a list; a missing list is inserted
    remove,  // entries of a list
    erase,   // the key itself, so that its default counts
  };
  Action action = Action::set;
  std::string path;  // "messages.size_limit", "domains[2].relay"
  // set, add: in flow form on one line: `20 MiB`, `"::1"`, `{ name: a.example, type: alias }`.
  // set of a list: its entries; of anything else: one.
  std::vector<std::string> values;
  bool is_list = false;         // of the key
  bool is_records = false;      // a list of maps: inserted as one line an entry
  std::vector<size_t> entries;  // remove: their indexes
};

// The new text, or why this cannot be done safely, with the place and what to do by hand. Whatever
// comes back was parsed again: it differs from `text` in the edited value and in nothing else.
// `key_order`: all paths ("domains[].name") in the order in which they are usually written; an
// inserted key goes behind those that come before it there. `file` is only named in problems.
std::expected<std::string, Problem> edit_yaml(std::string_view text, const std::string& file,
                                              const Edit& edit,
                                              const std::vector<std::string>& key_order);

// A change as an administrator types it.
struct Wish {
  Edit::Action action = Edit::Action::set;
  // "messages.size_limit"; entries of bindings and domains by number or by what they are called:
  // "domains[0].relay", "domains[partner.example].relay", "bindings[192.0.2.1:25].port".
  std::string key;
  // The value; words of a single value are joined by blanks. Of a list each word is an entry, and a
  // comma parts two; "[]" is the empty list. An entry of bindings is ADDRESS:PORT, one of domains
  // NAME and then key=value words, both also as "{ ... }".
  std::vector<std::string> words;
};

// The edit for a virtual server's file with this text, which gave `server`; or a sentence. What a
// list holds by default is kept by add and remove.
std::expected<Edit, std::string> edit_of_wish(const Wish& wish, std::string_view text,
                                              const VirtualServer& server);

// All paths of a virtual server file in their usual order, for edit_yaml.
const std::vector<std::string>& server_key_order();

}  // namespace mailroot::config
