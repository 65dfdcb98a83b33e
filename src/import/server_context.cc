#include "server_context.h"

#include "mailroot/base/address.h"
#include "mailroot/import/limits.h"
#include "mailroot/smtp/grammar.h"
#include "text.h"

namespace mailroot::import {

namespace {

// The rest of a smart host behind its name or bracket: "" or ":port".
bool is_port_or_nothing(std::string_view text) {
  if (text.empty()) return true;
  const auto port = text.front() == ':' ? parse_dword(text.substr(1)) : std::nullopt;
  return port && *port > 0 && *port <= 65535 && text[1] >= '0' && text[1] <= '9';
}

}  // namespace

ServerContext::ServerContext(const Instance& of, const Key* service_key, const ConvertOptions& with,
                             ImportedServer& into)
    : instance(of),
      service(service_key),
      options(with),
      out(into),
      properties(of.key, service_key) {}

std::string shown_value(const Setting& setting) {
  const KnownProperty* known = known_property(setting.name);
  if (known != nullptr && known->use == Use::secret) return "(encrypted)";
  return one_line(setting.value, kShownMax);
}

std::string as_comment(const Setting& setting) {
  const std::string_view origin = setting.origin == Origin::own         ? ""
                                  : setting.origin == Origin::inherited ? ", of /LM/SmtpSvc"
                                                                        : ", default";
  return fmt::format("{}={}{}", setting.name, shown_value(setting), origin);
}

void ServerContext::carry(const Setting& from, std::string_view path, const std::string& value,
                          std::string text, Verdict verdict) {
  yaml.set(path, value, as_comment(from));
  remark(verdict, from, std::move(text), fmt::format("{}: {}", path, value));
}

void ServerContext::remark(Verdict verdict, const Setting& about, std::string text,
                           std::string key) {
  remark_on({}, verdict, about, std::move(text), std::move(key));
}

void ServerContext::remark_on(const std::string& subject, Verdict verdict, const Setting& about,
                              std::string text, std::string key) {
  if (subject.empty()) told_.emplace(about.name);
  out.remarks.push_back({verdict, subject, std::string(about.name), shown_value(about),
                         about.origin, std::move(key), std::move(text)});
}

void ServerContext::hold(const Setting& about, std::string text) {
  hold_on({}, about, std::move(text));
}

void ServerContext::hold_on(const std::string& subject, const Setting& about, std::string text) {
  out.held = true;
  remark_on(subject, Verdict::decide, about, std::move(text));
}

bool is_unlimited(uint32_t value) {
  return value == 0 || value == 2'000'000'000 || value == UINT32_MAX;
}

std::optional<std::string> host_name(std::string_view text) {
  auto domain = smtp::parse_domain(trim(text));
  if (!domain) return std::nullopt;
  // No top-level domain is a number: the configuration takes "192.0.2.300" for a mistyped address.
  const std::string_view last = std::string_view(*domain).substr(domain->rfind('.') + 1);
  if (last.find_first_not_of("0123456789") == std::string_view::npos) return std::nullopt;
  return *domain;
}

std::optional<std::string> smart_host(std::string_view text) {
  text = trim(text);
  std::string_view host = text;
  std::string_view rest;
  if (text.starts_with('[')) {
    const size_t end = text.find(']');
    if (end == std::string_view::npos) return std::nullopt;
    host = text.substr(1, end - 1);
    rest = text.substr(end + 1);
  } else if (const size_t colon = text.find(':'); colon == text.rfind(':') && colon < text.size()) {
    host = text.substr(0, colon);
    rest = text.substr(colon);
  }
  if (!is_port_or_nothing(rest)) return std::nullopt;
  if (const auto ip = IpAddress::parse(host)) {
    return fmt::format("[{}]{}", ip->to_string(), rest);
  }
  const auto name = host_name(host);
  if (!name) return std::nullopt;
  return text.starts_with('[') ? fmt::format("[{}]{}", *name, rest)
                               : fmt::format("{}{}", *name, rest);
}

}  // namespace mailroot::import
