#include "nearest.h"

#include <algorithm>
#include <vector>

namespace mailroot::config {

namespace {

constexpr size_t kWordMax = 64;  // longer words are no typing mistake of ours

// One mistake in short words, one in three letters of longer ones.
size_t tolerance(std::string_view word) { return std::max<size_t>(1, word.size() / 3); }

std::string_view parent_of(std::string_view path) {
  const size_t dot = path.rfind('.');
  return dot == std::string_view::npos ? std::string_view() : path.substr(0, dot);
}

std::string_view name_of(std::string_view path) {
  const size_t dot = path.rfind('.');
  return dot == std::string_view::npos ? path : path.substr(dot + 1);
}

}  // namespace

size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> before(b.size() + 1);
  std::vector<size_t> last(b.size() + 1);
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, replaced});
      const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) row[j] = std::min(row[j], before[j - 2] + 1);
    }
    std::swap(before, last);
    std::swap(last, row);
  }
  return last[b.size()];
}

std::string nearest_of(std::string_view word, const std::set<std::string, std::less<>>& words) {
  if (word.size() > kWordMax) return {};
  size_t best_distance = tolerance(word) + 1;
  std::string best;
  for (const auto& candidate : words) {
    const size_t distance = edit_distance(word, candidate);
    if (distance >= best_distance) continue;
    best_distance = distance;
    best = candidate;
  }
  return best;
}

void KnownPaths::add(std::string_view path) {
  all_.emplace(path);
  for (std::string_view section = parent_of(path); !section.empty(); section = parent_of(section)) {
    sections_.emplace(section);
    all_.emplace(section);
  }
}

std::string KnownPaths::nearest(std::string_view path) const {
  std::set<std::string, std::less<>> siblings;
  for (const auto& known : all_) {
    if (parent_of(known) == parent_of(path)) siblings.emplace(name_of(known));
  }
  const std::string sibling = nearest_of(name_of(path), siblings);
  if (!sibling.empty()) {
    const std::string_view parent = parent_of(path);
    return parent.empty() ? sibling : std::string(parent) + "." + sibling;
  }
  for (const auto& known : all_) {
    if (name_of(known) == name_of(path)) return known;
  }
  return {};
}

}  // namespace mailroot::config
