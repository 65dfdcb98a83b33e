#include "mailroot/base/slug.h"

#include <algorithm>
#include <iterator>

namespace mailroot {

namespace {

struct Spelling {
  std::string_view letter, plain;
};

// As they are spelt where there is only ASCII; other marks and letters part words.
constexpr Spelling kSpellings[] = {
    {"\u00e4", "ae"}, {"\u00c4", "ae"}, {"\u00f6", "oe"}, {"\u00d6", "oe"}, {"\u00fc", "ue"},
    {"\u00dc", "ue"}, {"\u00df", "ss"}, {"\u00e6", "ae"}, {"\u00c6", "ae"}, {"\u00f8", "oe"},
    {"\u00d8", "oe"}, {"\u00e5", "aa"}, {"\u00c5", "aa"}, {"\u00e9", "e"},  {"\u00c9", "e"},
    {"\u00e8", "e"},  {"\u00ea", "e"},  {"\u00e1", "a"},  {"\u00e0", "a"},  {"\u00e2", "a"},
    {"\u00ed", "i"},  {"\u00ee", "i"},  {"\u00f3", "o"},  {"\u00f4", "o"},  {"\u00fa", "u"},
    {"\u00fb", "u"},  {"\u00f1", "n"},  {"\u00e7", "c"},  {"\u00c7", "c"},  {"\u0159", "r"},
    {"\u0161", "s"},  {"\u017e", "z"},  {"\u010d", "c"},  {"\u0142", "l"},
};

std::string spelt_in_ascii(std::string_view name) {
  std::string out;
  while (!name.empty()) {
    const auto* const found = std::ranges::find_if(
        kSpellings, [&](const Spelling& spelling) { return name.starts_with(spelling.letter); });
    const bool known = found != std::end(kSpellings);
    out += known ? found->plain : name.substr(0, 1);
    name.remove_prefix(known ? found->letter.size() : 1);
  }
  return out;
}

}  // namespace

std::string slug(std::string_view name, size_t max_bytes) {
  std::string out;
  for (const char c : spelt_in_ascii(name)) {
    const bool upper = c >= 'A' && c <= 'Z';
    const bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    if (plain || upper) {
      out += upper ? static_cast<char>(c - 'A' + 'a') : c;
    } else if (!out.empty() && out.back() != '-') {
      out += '-';
    }
    if (out.size() >= max_bytes) break;
  }
  while (out.ends_with('-')) out.pop_back();
  return out;
}

}  // namespace mailroot
