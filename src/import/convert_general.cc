// Identity: name, bindings, domain, host name; connections.
#include <algorithm>
#include <set>

#include "mailroot/base/address.h"
#include "mailroot/config/limits.h"
#include "mailroot/import/limits.h"
#include "server_context.h"
#include "text.h"

namespace mailroot::import {

namespace {

constexpr std::string_view kBlank = " \t\r\n,";

// "192.0.2.40:25:" as the values of a binding.
struct Binding {
  std::string address;  // YAML
  uint32_t port;
  bool has_host;
};

std::optional<Binding> parse_binding(std::string_view item) {
  std::string_view address;
  if (item.starts_with('[')) {
    const size_t end = item.find(']');
    if (end == std::string_view::npos) return std::nullopt;
    address = item.substr(1, end - 1);
    item.remove_prefix(end + 1);
  } else {
    const size_t colon = item.find(':');
    if (colon == std::string_view::npos) return std::nullopt;
    address = item.substr(0, colon);
    item.remove_prefix(colon);
  }
  if (!item.starts_with(':')) return std::nullopt;
  item.remove_prefix(1);
  const size_t colon = std::min(item.find(':'), item.size());
  const auto port = parse_dword(item.substr(0, colon));
  if (!port || *port == 0 || *port > 65535) return std::nullopt;
  const bool has_host = colon + 1 < item.size();
  if (address.empty() || address == "*") return Binding{"all-unassigned", *port, has_host};
  const auto ip = IpAddress::parse(address);
  if (!ip) return std::nullopt;
  if (ip->is_any()) return Binding{"all-unassigned", *port, has_host};
  if (ip->family() == IpFamily::v4) return Binding{ip->to_string(), *port, has_host};
  return Binding{"\"[" + ip->to_string() + "]\"", *port, has_host};
}

// The items of a MULTISZ without blanks in them, however a tool has normalised what parts them.
std::vector<std::string_view> words_of(std::string_view text) {
  std::vector<std::string_view> out;
  while (true) {
    const size_t begin = text.find_first_not_of(kBlank);
    if (begin == std::string_view::npos) return out;
    text.remove_prefix(begin);
    const size_t end = std::min(text.find_first_of(kBlank), text.size());
    out.push_back(text.substr(0, end));
    text.remove_prefix(end);
  }
}

void remark_binding(ServerContext& context, const Setting& setting, std::string_view item,
                    const Binding& binding) {
  const Setting one{setting.name, item, setting.origin};
  const std::string key =
      fmt::format("bindings: {{ address: {}, port: {} }}", binding.address, binding.port);
  std::string text;
  if (binding.address == "all-unassigned") {
    text =
        "IIS took the IPv4 addresses only; all-unassigned takes those of IPv6 too. Name the "
        "addresses to keep IPv6 out";
  }
  if (binding.has_host)
    text += (text.empty() ? "" : "; ") + std::string("the host part is ignored");
  const Verdict verdict = text.empty() ? Verdict::same : Verdict::different;
  context.remark(verdict, one, std::move(text), key);
}

void convert_bindings(ServerContext& context) {
  const auto written = context.properties.written("ServerBindings");
  const Setting setting = written.value_or(Setting{"ServerBindings", "", Origin::schema});
  std::vector<YamlFile::Item> items;
  std::set<std::string> seen;
  for (const std::string_view item : words_of(setting.value)) {
    const Setting one{setting.name, item, setting.origin};
    const auto binding = parse_binding(item);
    if (!binding) {
      context.remark(Verdict::not_carried, one, "is no address and port");
      continue;
    }
    const std::string value =
        fmt::format("{{ address: {}, port: {} }}", binding->address, binding->port);
    if (!seen.insert(value).second) {
      context.remark(Verdict::not_carried, one, "is listed twice");
    } else if (items.size() == config::kBindingsMax) {
      context.remark(Verdict::not_carried, one,
                     fmt::format("more than {} bindings", config::kBindingsMax));
    } else {
      items.push_back({value, one_line(item, kShownMax)});
      remark_binding(context, setting, item, *binding);
    }
  }
  if (items.empty()) {
    items.push_back({"{ address: all-unassigned, port: 25 }", "none was usable in the metabase"});
    context.hold(setting,
                 "no usable binding: IIS could not start this virtual server; the file has all "
                 "unassigned addresses and port 25. Set bindings");
  }
  context.yaml.set_list("bindings", std::move(items), "");
}

void convert_secure_bindings(ServerContext& context) {
  const auto setting = context.properties.written("SecureBindings");
  if (!setting || trim(setting->value).empty()) return;
  context.yaml.set_off("bindings", "[{ address: all-unassigned, port: 465, tls: implicit }]",
                       as_comment(*setting));
  context.remark(
      Verdict::not_carried, *setting,
      "IIS never used it for SMTP; a binding with tls: implicit would be the equivalent");
}

// A host name of IIS as the key `path`, which can also be auto.
std::string convert_name(ServerContext& context, std::string_view property, std::string_view path) {
  const auto setting = context.properties.written(property);
  if (!setting || trim(setting->value).empty()) {
    context.yaml.set(path, "auto", fmt::format("{} is not in the metabase", property));
    context.remark(Verdict::different, setting.value_or(Setting{property, "", Origin::schema}),
                   "IIS took the name of the old machine, which is not in the file; auto is the "
                   "name of this one",
                   fmt::format("{}: auto", path));
    return {};
  }
  const auto name = host_name(setting->value);
  if (!name) {
    context.yaml.set(path, "auto", as_comment(*setting));
    context.remark(Verdict::decide, *setting,
                   "is no domain name that mail can use; set it. auto is the name of this machine",
                   fmt::format("{}: auto", path));
    return {};
  }
  context.carry(*setting, path, yaml_text(*name));
  return *name;
}

void convert_connections(ServerContext& context) {
  if (const auto setting = context.properties.effective("MaxConnections")) {
    const auto limit = parse_dword(setting->value);
    constexpr uint32_t kMost = 1'000'000;
    if (limit && !is_unlimited(*limit)) {
      context.carry(*setting, "connections.limit", std::to_string(std::min(*limit, kMost)),
                    *limit > kMost ? "the most there can be" : "",
                    *limit > kMost ? Verdict::different : Verdict::same);
    } else {
      context.yaml.set_off("connections.limit", "unlimited", as_comment(*setting));
      context.remark(Verdict::different, *setting,
                     limit ? "IIS had no limit; Mailroot's 1000 applies, unlimited takes it away"
                           : "is no number; Mailroot's 1000 applies",
                     "connections.limit");
    }
  }
  context.remark(Verdict::different, {"", "", Origin::own},
                 "IIS had no limit for one client; Mailroot's 100 applies, unlimited takes it away",
                 "connections.per_client_limit");
}

}  // namespace

void convert_general(ServerContext& context) {
  const auto comment = context.properties.written("ServerComment");
  if (comment) {
    const std::string name = one_line(comment->value, config::kTextMax - 3);
    context.out.name = name;
    const bool changed = name != trim(comment->value);
    if (!name.empty()) {
      context.carry(*comment, "name", yaml_text(name),
                    changed ? "shortened, or without its control characters" : "",
                    changed ? Verdict::different : Verdict::same);
    } else {
      context.remark(Verdict::same, *comment, "is empty");
    }
  }
  convert_bindings(context);
  convert_secure_bindings(context);
  context.default_domain = convert_name(context, "DefaultDomain", "default_domain");
  convert_name(context, "FullyQualifiedDomainName", "fqdn");
  convert_connections(context);
}

}  // namespace mailroot::import
