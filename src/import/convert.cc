// All virtual servers of a metabase, and what is between them: clashes, the service's own keys.
#include "mailroot/import/convert.h"

#include <map>

#include "mailroot/config/limits.h"
#include "mailroot/import/limits.h"
#include "server_context.h"
#include "text.h"

namespace mailroot::import {

namespace {

// A bound from above: values and keys of the file; the configuration refuses more of them.
size_t count_values(std::string_view yaml) {
  size_t out = 0;
  for (const char c : yaml) {
    if (c == ':' || c == ',' || c == '[' || c == '{' || c == '\n') ++out;
  }
  return 2 * out;
}

void check_limits(ImportedServer& server) {
  if (server.domains > config::kDomainsMax) {
    server.problem = fmt::format("{} domains, more than the {} of one virtual server",
                                 server.domains, config::kDomainsMax);
  } else if (server.yaml.size() > config::kFileSizeMax) {
    server.problem =
        fmt::format("its file would have {} KiB, more than the {} KiB that one may have",
                    server.yaml.size() / kKiB, config::kFileSizeMax / kKiB);
  } else if (server.yaml.size() > config::kFileSizeMax / 16 &&
             count_values(server.yaml) > 2 * config::kNodesMax) {
    server.problem = fmt::format("its file would hold more than {} values", config::kNodesMax);
  }
  if (server.problem.empty()) return;
  server.problem += "; move some of its domains to another virtual server first";
  server.yaml.clear();
}

void convert_autostart(ServerContext& context) {
  const auto setting = context.properties.effective("ServerAutoStart");
  const bool wanted = is_true(*setting);
  const std::string comment = as_comment(*setting);
  if (context.out.held && wanted) {
    context.yaml.set("autostart", "false",
                     comment + "; held: see what is to be decided in the report");
    context.remark(Verdict::different, *setting,
                   "does not start by itself until what is to be decided is; then set it to true",
                   "autostart: false");
  } else {
    context.carry(*setting, "autostart", wanted ? "true" : "false");
  }
}

std::vector<std::string> head_of(const ServerContext& context, std::string_view source) {
  return {
      fmt::format("IIS SMTP virtual server {} ({}) of {}.", context.instance.number,
                  one_line(context.instance.key.location, kShownMax), one_line(source, kShownMax)),
      "Comments name the IIS property behind each value. What has no equivalent is in the "
      "report of the import; a key that is left out has Mailroot's default. Check with: "
      "mailrootd --config FILE --check."};
}

ImportedServer convert_server(const Metabase& metabase, const Instance& instance, std::string id,
                              HomeChoice home, const ConvertOptions& options) {
  ImportedServer out;
  out.number = instance.number;
  out.id = std::move(id);
  ServerContext context(instance, metabase.service ? &*metabase.service : nullptr, options, out);
  context.home = std::move(home);
  convert_general(context);
  convert_access(context);
  convert_messages(context);
  convert_delivery(context);
  convert_directories(context);
  convert_log(context);
  convert_domains(context);
  convert_autostart(context);
  convert_rest(context);
  context.yaml.set_head(head_of(context, options.source));
  context.yaml.set_tail(std::move(context.footnotes));
  out.yaml = context.yaml.render();
  check_limits(out);
  return out;
}

// The bindings as the report says them.
void find_clashes(std::vector<ImportedServer>& servers) {
  std::map<std::string, const ImportedServer*> first;
  for (ImportedServer& server : servers) {
    std::vector<Remark> found;
    for (const Remark& remark : server.remarks) {
      if (!remark.key.starts_with("bindings: ")) continue;
      const auto [holder, is_new] = first.emplace(remark.key, &server);
      if (is_new || holder->second == &server) continue;
      found.push_back(
          {Verdict::decide, "", remark.property, remark.value, remark.origin, remark.key,
           fmt::format("virtual server {} ({}.yaml) claims it too; only one of them can "
                       "start, as in IIS, and --check answers 2",
                       holder->second->number, holder->second->id)});
    }
    server.remarks.insert(server.remarks.end(), found.begin(), found.end());
  }
}

void remark_on_service(const Metabase& metabase, std::vector<Remark>& out) {
  const auto note = [&out](std::string subject, std::string property, std::string value,
                           std::string text, Verdict verdict = Verdict::not_carried) {
    out.push_back({verdict, std::move(subject), std::move(property), std::move(value), Origin::own,
                   "", std::move(text)});
  };
  for (const std::string& oddity : metabase.oddities) note("", "", "", oddity);
  if (!metabase.service) {
    note("", "", "",
         "/LM/SmtpSvc is not in the file: what it would say is taken to be as IIS's "
         "setup writes it",
         Verdict::different);
  } else {
    for (const Property& property : metabase.service->properties) {
      const KnownProperty* known = known_property(property);
      if (known != nullptr && known->use == Use::setting) continue;  // told with each server
      const bool secret = known != nullptr && known->use == Use::secret;
      note("/LM/SmtpSvc", one_line(property.name, kShownMax),
           secret ? "(encrypted)" : one_line(property.value, kShownMax),
           known != nullptr  ? std::string(why_not_carried(known->use))
           : property.custom ? "a Custom property that is not known"
                             : "is not known");
    }
  }
  for (const Key& key : metabase.others) {
    if (out.size() > kRemarksMax) break;
    note("key " + one_line(key.name, kShownMax), "", "",
         fmt::format("{} with {} properties, of no virtual server",
                     one_line(key.location, kShownMax), key.properties.size()));
  }
  if (metabase.event_keys > 0) {
    note("", "", "",
         fmt::format("{} keys of event sinks (EventManager): COM programs inside IIS that could "
                     "change or refuse mail; look what they did",
                     metabase.event_keys));
  }
  for (const auto& [service, count] : metabase.foreign_keys) {
    note("", "", "", fmt::format("{} keys of {}: not of the SMTP service", count, service));
  }
}

}  // namespace

std::string_view to_string(Verdict verdict) {
  switch (verdict) {
    case Verdict::same:
      return "same";
    case Verdict::different:
      return "different";
    case Verdict::not_carried:
      return "not carried";
    case Verdict::decide:
      return "decide";
  }
  return "";
}

Imported convert(const Metabase& metabase, const ConvertOptions& options) {
  Imported out;
  std::vector<std::string> ids = choose_ids(metabase);
  std::vector<HomeChoice> homes = choose_homes(metabase, ids, options.maps);
  for (size_t i = 0; i < metabase.instances.size(); ++i) {
    out.servers.push_back(convert_server(metabase, metabase.instances[i], std::move(ids[i]),
                                         std::move(homes[i]), options));
  }
  find_clashes(out.servers);
  remark_on_service(metabase, out.remarks);
  return out;
}

}  // namespace mailroot::import
