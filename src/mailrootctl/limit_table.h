// The limits that are fixed in this version, of all modules: gathered from their limits.h when this
// is built (make_limit_table.py).
#pragma once

#include <fmt/format.h>

#include <chrono>
#include <concepts>
#include <string>
#include <vector>

namespace mailroot::ctl {

struct FixedLimit {
  std::string module, name, value;
  std::string comment;  // what of, in what unit
};

std::vector<FixedLimit> fixed_limits();

inline std::string text_of(std::integral auto value) { return std::to_string(value); }
template <class Count, class Period>
std::string text_of(std::chrono::duration<Count, Period> value) {
  using namespace std::chrono;
  const auto whole = [value](auto unit) { return value % unit == value.zero(); };
  if (whole(hours(1))) return fmt::format("{} h", duration_cast<hours>(value).count());
  if (whole(minutes(1))) return fmt::format("{} min", duration_cast<minutes>(value).count());
  if (whole(seconds(1))) return fmt::format("{} s", duration_cast<seconds>(value).count());
  return fmt::format("{} ms", duration_cast<milliseconds>(value).count());
}

}  // namespace mailroot::ctl
