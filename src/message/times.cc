// Date forms (RFC 5322 3.3; RFC 3339) without a clock, a locale or a time zone.
#include <algorithm>
#include <array>
#include <chrono>

#include "mailroot/message/trace.h"

namespace mailroot::message {

namespace {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr int kFirstYear = 1970;
constexpr int kLastYear = 2261;  // the last whole year in 64-bit nanoseconds

std::chrono::sys_days day_of(int year, unsigned month, unsigned day) {
  return std::chrono::sys_days(std::chrono::year(year) / std::chrono::month(month) /
                               std::chrono::day(day));
}

struct Civil {
  int year;
  unsigned month, day, weekday, hour, minute, second, millisecond;
};

Civil split(WallTime time) {
  using SystemTime = std::chrono::sys_time<Duration>;
  const SystemTime first = day_of(kFirstYear, 1, 1);
  const SystemTime last = SystemTime(day_of(kLastYear + 1, 1, 1)) - milliseconds(1);
  const SystemTime t = std::clamp(SystemTime(time.time_since_epoch()), first, last);
  const auto day = std::chrono::floor<days>(t);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(std::chrono::floor<milliseconds>(t - day));
  return {.year = static_cast<int>(date.year()),
          .month = static_cast<unsigned>(date.month()),
          .day = static_cast<unsigned>(date.day()),
          .weekday = std::chrono::weekday(day).c_encoding(),
          .hour = static_cast<unsigned>(clock.hours().count()),
          .minute = static_cast<unsigned>(clock.minutes().count()),
          .second = static_cast<unsigned>(clock.seconds().count()),
          .millisecond = static_cast<unsigned>(clock.subseconds().count())};
}

void put_number(std::string& out, unsigned number, size_t width) {
  std::array<char, 10> digits{};
  for (size_t i = width; i-- > 0; number /= 10) digits[i] = static_cast<char>('0' + number % 10);
  out.append(digits.data(), width);
}

// Reads `width` digits at `at`, or gives a number no date has.
unsigned number_at(std::string_view text, size_t at, size_t width) {
  unsigned number = 0;
  for (const char c : text.substr(at, width)) {
    if (c < '0' || c > '9') return 100000;
    number = number * 10 + static_cast<unsigned>(c - '0');
  }
  return number;
}

}  // namespace

std::string date_time(WallTime time) {
  constexpr std::array<std::string_view, 7> kDays = {"Sun", "Mon", "Tue", "Wed",
                                                     "Thu", "Fri", "Sat"};
  constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const Civil c = split(time);
  std::string out(kDays[c.weekday]);
  out += ", ";
  put_number(out, c.day, 2);
  out += ' ';
  out += kMonths[c.month - 1];
  out += ' ';
  put_number(out, static_cast<unsigned>(c.year), 4);
  out += ' ';
  put_number(out, c.hour, 2);
  out += ':';
  put_number(out, c.minute, 2);
  out += ':';
  put_number(out, c.second, 2);
  return out += " +0000";
}

std::string iso_time(WallTime time) {
  const Civil c = split(time);
  std::string out;
  out.reserve(24);
  put_number(out, static_cast<unsigned>(c.year), 4);
  out += '-';
  put_number(out, c.month, 2);
  out += '-';
  put_number(out, c.day, 2);
  out += 'T';
  put_number(out, c.hour, 2);
  out += ':';
  put_number(out, c.minute, 2);
  out += ':';
  put_number(out, c.second, 2);
  out += '.';
  put_number(out, c.millisecond, 3);
  return out += 'Z';
}

std::optional<WallTime> parse_iso_time(std::string_view text) {
  constexpr std::string_view kForm = "dddd-dd-ddTdd:dd:dd.dddZ";
  if (text.size() != kForm.size()) return std::nullopt;
  for (size_t i = 0; i < kForm.size(); ++i)
    if (kForm[i] != 'd' && text[i] != kForm[i]) return std::nullopt;
  const unsigned year = number_at(text, 0, 4);
  const std::chrono::year_month_day date(std::chrono::year(static_cast<int>(year)),
                                         std::chrono::month(number_at(text, 5, 2)),
                                         std::chrono::day(number_at(text, 8, 2)));
  const unsigned hour = number_at(text, 11, 2);
  const unsigned minute = number_at(text, 14, 2);
  const unsigned second = number_at(text, 17, 2);
  const unsigned millisecond = number_at(text, 20, 3);
  if (year < kFirstYear || year > kLastYear || number_at(text, 5, 2) > 12 ||
      number_at(text, 8, 2) > 31 || !date.ok())
    return std::nullopt;
  if (hour > 23 || minute > 59 || second > 59 || millisecond > 999) return std::nullopt;
  const auto since_epoch = std::chrono::sys_days(date).time_since_epoch() + hours(hour) +
                           minutes(minute) + seconds(second) + milliseconds(millisecond);
  return WallTime(std::chrono::duration_cast<Duration>(since_epoch));
}

}  // namespace mailroot::message
