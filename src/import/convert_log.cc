// The protocol log.
#include <algorithm>

#include "server_context.h"
#include "text.h"

namespace mailroot::import {

namespace {

constexpr std::string_view kPeriods[] = {"size", "daily", "weekly", "monthly", "hourly"};
constexpr std::string_view kDetails[] = {"LogPluginClsid", "LogFilePeriod", "LogFileTruncateSize",
                                         "LogFileDirectory", "LogExtFileFlags"};

// In the order of the log's own fields.
struct LogField {
  std::string_view flag;
  uint32_t bit;
  std::string_view field;
};
constexpr LogField kFields[] = {{"LogExtFileDate", 0x1, "date"},
                                {"LogExtFileTime", 0x2, "time"},
                                {"LogExtFileClientIp", 0x4, "c-ip"},
                                {"LogExtFileUserName", 0x8, "cs-username"},
                                {"LogExtFileSiteName", 0x10, "s-sitename"},
                                {"LogExtFileComputerName", 0x20, "s-computername"},
                                {"LogExtFileServerIp", 0x40, "s-ip"},
                                {"LogExtFileServerPort", 0x8000, "s-port"},
                                {"LogExtFileMethod", 0x80, "cs-method"},
                                {"LogExtFileUriStem", 0x100, "cs-uri-stem"},
                                {"LogExtFileUriQuery", 0x200, "cs-uri-query"},
                                {"LogExtFileHttpStatus", 0x400, "sc-status"},
                                {"LogExtFileWin32Status", 0x800, "sc-win32-status"},
                                {"LogExtFileBytesSent", 0x1000, "sc-bytes"},
                                {"LogExtFileBytesRecv", 0x2000, "cs-bytes"},
                                {"LogExtFileTimeTaken", 0x4000, "time-taken"},
                                {"LogExtFileProtocolVersion", 0x80000, "cs-version"},
                                {"LogExtFileHost", 0x100000, "cs-host"},
                                {"LogExtFileUserAgent", 0x10000, "cs(User-Agent)"},
                                {"LogExtFileCookie", 0x20000, "cs(Cookie)"},
                                {"LogExtFileReferer", 0x40000, "cs(Referer)"}};

// What nobody has told yet.
void remark_details(ServerContext& context, Verdict verdict, const char* text) {
  for (const std::string_view name : kDetails) {
    const auto setting = context.properties.written(name);
    if (setting && !context.has_told(name)) context.remark(verdict, *setting, text);
  }
}

// By size, or by a period; a size without a bound is never.
void convert_rotation(ServerContext& context) {
  constexpr uint64_t kLeast = 64 * 1024;  // of protocol_log.size_limit
  const auto period = context.properties.effective("LogFilePeriod");
  const auto size = context.properties.effective("LogFileTruncateSize");
  const uint32_t number = parse_dword(period->value).value_or(1);
  const uint32_t bytes = parse_dword(size->value).value_or(0);
  const bool known = number < std::size(kPeriods);
  const bool by_size = number == 0;
  const std::string rotate(by_size && is_unlimited(bytes) ? "never" : kPeriods[known ? number : 1]);
  context.carry(*period, "protocol_log.rotate", rotate, known ? "" : "is no period that is known",
                known ? Verdict::same : Verdict::different);
  if (!by_size || is_unlimited(bytes)) {
    context.remark(Verdict::same, *size,
                   by_size ? "without a bound" : "of no effect with a period");
    return;
  }
  const uint64_t limit = std::max<uint64_t>(bytes, kLeast);
  context.carry(*size, "protocol_log.size_limit", yaml_size(limit),
                limit == bytes ? "" : "the least there can be",
                limit == bytes ? Verdict::same : Verdict::different);
}

void convert_fields(ServerContext& context) {
  static const std::vector<FlagName> kNames = [] {
    std::vector<FlagName> out;
    for (const LogField& field : kFields) out.push_back({field.flag, field.bit});
    return out;
  }();
  const auto flags = context.properties.effective("LogExtFileFlags");
  const uint32_t bits = parse_flags(flags->value, kNames);
  std::vector<std::string> fields;
  for (const LogField& field : kFields) {
    if ((bits & field.bit) != 0 && allows_word("protocol_log.fields", field.field)) {
      fields.push_back(yaml_text(field.field));
    }
  }
  if (fields.empty()) {
    context.remark(Verdict::different, *flags, "no field that is known: all are logged",
                   "protocol_log.fields: all");
    return;
  }
  context.carry(*flags, "protocol_log.fields", yaml_flow(fields));
}

}  // namespace

void convert_log(ServerContext& context) {
  const auto type = context.properties.effective("LogType");
  if (!is_true(*type)) {
    context.remark(Verdict::same, *type, "the protocol log is off", "protocol_log.enabled: false");
    remark_details(context, Verdict::not_carried, "the protocol log is off");
    return;
  }
  context.carry(*type, "protocol_log.enabled", "true");
  convert_rotation(context);
  convert_fields(context);
  const auto format = context.properties.written("LogPluginClsid");
  if (format && !trim(format->value).empty() && !lower(format->value).contains("ff160663")) {
    context.remark(Verdict::different, *format, "the only format is W3C Extended",
                   "protocol_log.format: w3c");
  } else if (format) {
    context.remark(Verdict::same, *format, "W3C Extended", "protocol_log.format: w3c");
  }
  if (const auto directory = context.properties.written("LogFileDirectory")) {
    context.remark(Verdict::different, *directory,
                   fmt::format("is /var/log/mailroot/{}; protocol_log.directory names another",
                               context.out.id),
                   "protocol_log.directory: auto");
  }
}

}  // namespace mailroot::import
