// What is left of a virtual server: LDAP routing, subkeys, properties that nobody took.
#include <map>

#include "mailroot/import/limits.h"
#include "server_context.h"
#include "text.h"

namespace mailroot::import {

namespace {

void convert_ldap(ServerContext& context) {
  for (const Key& key : context.instance.routing_sources) {
    std::string values;
    for (const Property& property : key.properties) {
      const bool secret = lower(property.name).contains("password");
      const std::string_view shown = secret ? "(encrypted)" : std::string_view(property.value);
      if (trim(shown).empty()) continue;
      values += fmt::format("{}{}={}", values.empty() ? "" : ", ",
                            one_line(property.name, kShownMax), one_line(shown, kShownMax));
    }
    const Property* use = key.find("SmtpDsUseCat");
    const bool on = use != nullptr && parse_dword(use->value).value_or(0) != 0;
    const Setting setting{"RoutingSources", values, Origin::own};
    context.footnotes.push_back("LDAP routing, not carried: " + values);
    context.remark(on ? Verdict::decide : Verdict::not_carried, setting,
                   on ? "LDAP routing was on: addresses were looked up and groups expanded. "
                        "Mailroot has no directory lookup; mail is routed by its domain only"
                      : "LDAP routing was off; Mailroot has none");
  }
}

void remark_subkeys(ServerContext& context) {
  size_t counted = 0;
  for (const Key& key : context.instance.others) {
    if (counted++ < kRemarksMax) {
      context.remark_on(
          "key " + one_line(key.name, kShownMax), Verdict::not_carried, {"", "", Origin::own},
          fmt::format("{} with {} properties: of no use here ({})", one_line(key.type, kShownMax),
                      key.properties.size(), one_line(key.location, kShownMax)));
    }
  }
  if (counted > kRemarksMax) {
    context.remark(Verdict::not_carried, {"", "", Origin::own},
                   fmt::format("{} more subkeys of no use here", counted - kRemarksMax));
  }
}

}  // namespace

std::string_view why_not_carried(Use use) {
  switch (use) {
    case Use::setting:
      return "is there twice; the first counts";
    case Use::secret:
      return "is encrypted under a key of the old machine and cannot be recovered";
    case Use::engine:
      return "tunes IIS's own engine";
    case Use::state:
      return "is IIS's note about itself";
    case Use::superseded:
      return "reserved or of an older version; IIS 6 did not act on it";
    case Use::protocol_log:
      return "a detail of the protocol log";
  }
  return "";
}

namespace {

// The parts told what they carried; this is for what they saw and had no use for.
void remark_untold(ServerContext& context, const Key& key, Origin origin) {
  for (const Property& property : key.properties) {
    const KnownProperty* known = known_property(property);
    if (known == nullptr || context.has_told(known->name)) continue;
    const bool own_secret = known->use == Use::secret && origin == Origin::own;
    if (known->use != Use::setting && !own_secret) continue;
    const Setting setting{known->name, property.value, origin};
    if (trim(property.value).empty()) {
      context.remark(Verdict::same, setting, "is empty");
    } else {
      context.remark(Verdict::not_carried, setting, "has no effect beside the other values");
    }
  }
}

}  // namespace

void convert_rest(ServerContext& context) {
  convert_ldap(context);
  remark_subkeys(context);
  for (const Property* property : context.properties.left_over()) {
    const KnownProperty* known = known_property(*property);
    const bool secret = known != nullptr && known->use == Use::secret;
    const std::string name = one_line(property->name, kShownMax);
    const Setting setting{name, secret ? "(encrypted)" : std::string_view(property->value),
                          Origin::own};
    context.remark(Verdict::not_carried, setting,
                   known == nullptr
                       ? (property->custom ? "a Custom property that is not known" : "is not known")
                       : std::string(why_not_carried(known->use)));
  }
  remark_untold(context, context.instance.key, Origin::own);
  if (context.service != nullptr) remark_untold(context, *context.service, Origin::inherited);
}

}  // namespace mailroot::import
