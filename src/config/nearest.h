// Which known key was probably meant.
#pragma once

#include <set>
#include <string>
#include <string_view>

namespace mailroot::config {

class KnownPaths {
 public:
  void add(std::string_view path);
  bool is_section(const std::string& path) const { return sections_.contains(path); }
  // The nearest key or section of the same parent; else one elsewhere with this very name. Empty
  // when nothing is near.
  std::string nearest(std::string_view path) const;

 private:
  std::set<std::string, std::less<>> sections_;
  std::set<std::string, std::less<>> all_;  // keys and sections
};

// The nearest of `words`, or empty.
std::string nearest_of(std::string_view word, const std::set<std::string, std::less<>>& words);

// Damerau's distance (insert, delete, replace, swap neighbours), restricted form.
size_t edit_distance(std::string_view a, std::string_view b);

}  // namespace mailroot::config
