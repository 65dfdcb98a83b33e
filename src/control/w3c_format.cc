#include "w3c_format.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>

namespace mailroot::control {

namespace {

struct Calendar {
  std::chrono::year_month_day date;
  std::chrono::hh_mm_ss<std::chrono::seconds> time;
};

Calendar calendar_of(WallTime time) {
  const std::chrono::sys_seconds now{
      std::chrono::floor<std::chrono::seconds>(time.time_since_epoch())};
  const auto day = std::chrono::floor<std::chrono::days>(now);
  return {std::chrono::year_month_day(day), std::chrono::hh_mm_ss(now - day)};
}

std::string date_text(const Calendar& calendar) {
  return fmt::format("{:04}-{:02}-{:02}", static_cast<int>(calendar.date.year()),
                     static_cast<unsigned>(calendar.date.month()),
                     static_cast<unsigned>(calendar.date.day()));
}

std::string time_text(const Calendar& calendar) {
  return fmt::format("{:02}:{:02}:{:02}", calendar.time.hours().count(),
                     calendar.time.minutes().count(), calendar.time.seconds().count());
}

void append_text(std::string& out, std::string_view text) {
  if (text.empty()) {
    out += '-';
    return;
  }
  for (const char c : text) {
    const auto octet = static_cast<unsigned char>(c);
    if (c == ' ' || c == '\t') {
      out += '+';
    } else if (octet > 0x20 && octet < 0x7F) {
      out += c;
    } else {
      fmt::format_to(std::back_inserter(out), "%{:02X}", octet);
    }
  }
}

void append_field(std::string& out, std::string_view field, const log::ProtocolLine& line,
                  const W3cSite& site, const Calendar& calendar) {
  const auto number = [&out](uint64_t value) { out += std::to_string(value); };
  if (field == "date") return append_text(out, date_text(calendar));
  if (field == "time") return append_text(out, time_text(calendar));
  if (field == "c-ip") return append_text(out, line.remote.to_string());
  if (field == "cs-username") return append_text(out, line.user);
  if (field == "s-sitename") return append_text(out, site.site);
  if (field == "s-computername") return append_text(out, site.computer);
  if (field == "s-ip") return append_text(out, line.local ? line.local->ip.to_string() : "");
  if (field == "s-port") return number(line.local ? line.local->port : line.remote_port);
  if (field == "cs-method") return append_text(out, line.method);
  if (field == "cs-uri-query") return append_text(out, line.query);
  if (field == "sc-status") return number(line.status);
  if (field == "sc-win32-status") return number(0);
  if (field == "sc-bytes") return number(line.sent_bytes);
  if (field == "cs-bytes") return number(line.received_bytes);
  if (field == "time-taken") return number(static_cast<uint64_t>(line.taken.count()));
  if (field == "cs-version") return append_text(out, "SMTP");
  out += '-';  // cs-uri-stem and what only a web server knows
}

}  // namespace

std::string w3c_head(const std::vector<std::string>& fields, WallTime time) {
  const Calendar calendar = calendar_of(time);
  return fmt::format("#Software: Mailroot {}\n#Version: 1.0\n#Date: {} {}\n#Fields: {}\n",
                     MAILROOT_VERSION, date_text(calendar), time_text(calendar),
                     fmt::join(fields, " "));
}

void append_w3c_line(std::string& out, const log::ProtocolLine& line, const W3cSite& site,
                     const std::vector<std::string>& fields) {
  const Calendar calendar = calendar_of(line.time);
  for (size_t i = 0; i < fields.size(); ++i) {
    if (i > 0) out += ' ';
    append_field(out, fields[i], line, site, calendar);
  }
  out += '\n';
}

std::string w3c_file_name(config::LogRotation rotation, WallTime time, uint32_t number) {
  const Calendar calendar = calendar_of(time);
  const auto day = static_cast<unsigned>(calendar.date.day());
  const std::string month =
      fmt::format("ex{:02}{:02}", static_cast<int>(calendar.date.year()) % 100,
                  static_cast<unsigned>(calendar.date.month()));
  switch (rotation) {
    case config::LogRotation::hourly:
      return fmt::format("{}{:02}{:02}.log", month, day, calendar.time.hours().count());
    case config::LogRotation::daily:
      return fmt::format("{}{:02}.log", month, day);
    case config::LogRotation::weekly:
      return fmt::format("{}{:02}.log", month, (day - 1) / 7 + 1);
    case config::LogRotation::monthly:
      return month + ".log";
    case config::LogRotation::size:
      return fmt::format("extend{}.log", std::max(number, 1U));
    case config::LogRotation::never:
      break;
  }
  return "extend1.log";
}

uint32_t w3c_file_number(std::string_view name) {
  constexpr std::string_view kFront = "extend", kEnd = ".log";
  if (!name.starts_with(kFront) || !name.ends_with(kEnd)) return 0;
  name.remove_prefix(kFront.size());
  name.remove_suffix(std::min(kEnd.size(), name.size()));
  uint32_t number = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  return error == std::errc() && end == name.data() + name.size() ? number : 0;
}

}  // namespace mailroot::control
