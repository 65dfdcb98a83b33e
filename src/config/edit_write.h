// The replacements that carry out an edit at its target. Each function refuses what it does not
// understand; what it does is proved afterwards by parsing the result.
#pragma once

#include <expected>
#include <string>
#include <vector>

#include "edit_locate.h"

namespace mailroot::config {

using Replacements = std::expected<std::vector<Replacement>, Obstacle>;

struct EditPlace {
  const Node& root;
  const SourceLines& lines;
  const Target& target;
  const Edit& edit;
  const std::vector<std::string>& key_order;
};

Replacements replace_value(const EditPlace& place);  // of a key that is there, which is no list key
Replacements change_list(const EditPlace& place, const std::vector<ListEntry>& entries);
Replacements insert_key(const EditPlace& place, const std::vector<std::string>& values);
Replacements erase_key(const EditPlace& place);

// Puts `value`, in flow form, into the place of what the key has now.
Replacements put_value(const EditPlace& place, const std::string& value);

// "cannot be told where it ends" and the like, at the target's key.
Obstacle at_key(const Target& target, std::string text);

}  // namespace mailroot::config
