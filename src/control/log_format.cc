#include "log_format.h"

#include "mailroot/message/trace.h"

namespace mailroot::control {

namespace {

std::string_view word(log::Level level) {
  switch (level) {
    case log::Level::trace:
      return "trace";
    case log::Level::debug:
      return "debug";
    case log::Level::info:
      return "info";
    case log::Level::warning:
      return "warning";
    case log::Level::error:
      return "error";
  }
  return "info";
}

// syslog(3) priorities, as sd-daemon(3) reads them from a line's front.
std::string_view priority(log::Level level) {
  switch (level) {
    case log::Level::trace:
    case log::Level::debug:
      return "<7>";
    case log::Level::info:
      return "<6>";
    case log::Level::warning:
      return "<4>";
    case log::Level::error:
      return "<3>";
  }
  return "<6>";
}

bool needs_quotes(std::string_view text) {
  return text.empty() || text.find_first_of(" =\"\\") != std::string_view::npos;
}

void append_text_value(std::string& out, const log::Value& value) {
  if (const auto* number = std::get_if<int64_t>(&value)) {
    out += std::to_string(*number);
    return;
  }
  const std::string& text = std::get<std::string>(value);
  const bool quoted = needs_quotes(text);
  if (quoted) out += '"';
  out += log::escape(text);
  if (quoted) out += '"';
}

// RFC 8259 7. Bytes that are no ASCII become \u00NN: a log line is always valid JSON, whatever
// encoding a peer used.
void append_json_string(std::string& out, std::string_view text) {
  out += '"';
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20 || byte >= 0x7F) {
      out += "\\u00";
      out += "0123456789abcdef"[byte >> 4];
      out += "0123456789abcdef"[byte & 15];
    } else {
      out += c;
    }
  }
  out += '"';
}

}  // namespace

std::string format_text(const log::Event& event, WallTime time, bool for_journal) {
  std::string line;
  line.reserve(256);
  if (for_journal) {
    line += priority(event.level());
  } else {
    line += message::iso_time(time);
    line += ' ';
    line += word(event.level());
    line += ' ';
  }
  line += event.name();
  for (const auto& [key, value] : event.fields()) {
    line += ' ';
    line += key;
    line += '=';
    append_text_value(line, value);
  }
  return line;
}

std::string format_json(const log::Event& event, WallTime time) {
  std::string line = R"({"time":")";
  line.reserve(256);
  line += message::iso_time(time);
  line += R"(","level":")";
  line += word(event.level());
  line += R"(","event":)";
  append_json_string(line, event.name());
  for (const auto& [key, value] : event.fields()) {
    line += ',';
    append_json_string(line, key);
    line += ':';
    if (const auto* number = std::get_if<int64_t>(&value)) {
      line += std::to_string(*number);
    } else {
      append_json_string(line, std::get<std::string>(value));
    }
  }
  line += '}';
  return line;
}

}  // namespace mailroot::control
