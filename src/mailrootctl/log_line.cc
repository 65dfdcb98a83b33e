#include "log_line.h"

#include <nlohmann/json.hpp>

#include "mailroot/base/log.h"
#include "mailroot/smtp/grammar.h"

namespace mailroot::ctl {

namespace {

using nlohmann::ordered_json;

std::string value_of(const ordered_json& value) {
  return value.is_string() ? log::escape(value.get<std::string>()) : value.dump();
}

std::optional<LogLine> parse_json(std::string_view text, std::string_view time) {
  const ordered_json document = ordered_json::parse(text, nullptr, false);
  if (!document.is_object()) return std::nullopt;
  LogLine line;
  line.time = time;
  for (const auto& [key, value] : document.items()) {
    if (key == "time") {
      if (line.time.empty()) line.time = value_of(value);
    } else if (key == "event") {
      line.event = value_of(value);
    } else if (key != "level") {
      line.fields.emplace_back(log::escape(key), value_of(value));
    }
  }
  if (line.event.empty() || line.time.empty()) return std::nullopt;
  return line;
}

// Takes the next word: to the blank, or for what begins with a quote, to the closing one.
std::string_view take_word(std::string_view& text) {
  const size_t end = std::min(text.find(' '), text.size());
  const std::string_view word = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return word;
}

std::string_view take_value(std::string_view& text) {
  if (!text.starts_with('"')) return take_word(text);
  // The log writes a quote within a value as \x22.
  const size_t end = text.find('"', 1);
  const std::string_view value = text.substr(1, end == std::string_view::npos ? end : end - 1);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  if (text.starts_with(' ')) text.remove_prefix(1);
  return value;
}

std::optional<LogLine> parse_text(std::string_view text, std::string_view time) {
  LogLine line;
  line.time = time;
  if (line.time.empty()) {
    line.time = log::escape(take_word(text));
    const std::string_view level = take_word(text);
    if (!line.time.ends_with('Z') || level.empty()) return std::nullopt;
  }
  line.event = log::escape(take_word(text));
  while (!text.empty()) {
    const size_t equals = text.find('=');
    if (equals == std::string_view::npos || text.find(' ') < equals) return std::nullopt;
    const std::string key = log::escape(text.substr(0, equals));
    text.remove_prefix(equals + 1);
    line.fields.emplace_back(key, std::string(take_value(text)));
  }
  if (line.event.empty()) return std::nullopt;
  return line;
}

}  // namespace

std::string LogLine::field(std::string_view key) const {
  for (const auto& [name, value] : fields) {
    if (name == key) return value;
  }
  return {};
}

std::optional<LogLine> parse_log_line(std::string_view line, std::string_view time) {
  return line.starts_with('{') ? parse_json(line, time) : parse_text(line, time);
}

bool names_address(const LogLine& line, std::string_view address) {
  const std::string path = "<" + std::string(address) + ">";
  for (const char* const key : {"from", "to"}) {
    if (smtp::equals_ignoring_case(line.field(key), path)) return true;
  }
  return false;
}

}  // namespace mailroot::ctl
