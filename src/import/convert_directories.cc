// Pickup, Drop, Badmail, Queue; banner and EHLO keywords.
#include "mailroot/config/limits.h"
#include "mailroot/smtp/grammar.h"
#include "server_context.h"
#include "text.h"

namespace mailroot::import {

namespace {

using smtp::equals_ignoring_case;

struct Folder {
  std::string_view property;
  std::string_view name;
};
constexpr Folder kFolders[] = {{"PickupDirectory", "Pickup"},
                               {"QueueDirectory", "Queue"},
                               {"DropDirectory", "Drop"},
                               {"BadMailDirectory", "Badmail"}};

void convert_home(ServerContext& context) {
  const Setting about{"PickupDirectory", "", Origin::own};
  const auto pickup = context.properties.written("PickupDirectory");
  context.yaml.set("home_directory", yaml_text(context.home.path),
                   pickup ? as_comment(*pickup) : "its directories are not in the metabase");
  const std::string key = fmt::format("home_directory: {}", context.home.path);
  const Setting& from = pickup ? *pickup : about;
  if (!context.home.remark.empty()) {
    context.remark(Verdict::different, from, context.home.remark, key);
  } else {
    context.remark(context.home.mapped ? Verdict::same : Verdict::different, from,
                   context.home.mapped ? "by --map" : "no --map fits: the usual place", key);
  }
  for (const Folder& folder : kFolders) {
    const auto setting = context.properties.written(folder.property);
    if (!setting || folder.name == "Pickup" || trim(setting->value).empty()) continue;
    context.remark(Verdict::different, *setting,
                   fmt::format("is {}/{}", context.home.path, folder.name));
  }
  context.remark(Verdict::different, {"", "", Origin::own},
                 "IIS never cleaned Badmail; here files older than 90d, and the oldest beyond 1 "
                 "GiB, are removed",
                 "messages.badmail");
}

void convert_drop(ServerContext& context) {
  const auto drop = context.properties.written("DropDirectory");
  const bool off = drop && trim(drop->value).empty();
  if (off) {
    context.carry(*drop, "drop.enabled", "false", "no Drop directory: no local delivery");
  }
  context.yaml.set("drop.layout", "flat", "programs find files as in IIS: Drop/*.eml");
  context.remark(Verdict::same, {"", "", Origin::own}, "files lie in Drop itself, as in IIS",
                 "drop.layout: flat");
}

void convert_pickup(ServerContext& context) {
  const auto should = context.properties.effective("ShouldPickupMail");
  context.carry(*should, "pickup.enabled", is_true(*should) ? "true" : "false");
  for (const std::string_view name : {"SmtpDotStuffPickupDirFiles", "DisablePickupDotStuff"}) {
    if (const auto setting = context.properties.written(name)) {
      context.remark(Verdict::different, *setting,
                     "auto looks at each file; set stuffed or raw if all programs write the same",
                     "pickup.dot_stuffing: auto");
    }
  }
  const auto deliver = context.properties.effective("ShouldDeliver");
  if (is_true(*deliver)) {
    context.remark(Verdict::same, *deliver, "mail is delivered");
  } else {
    context.hold(*deliver, "IIS took mail and delivered none; Mailroot has no such switch");
  }
}

// What follows "220 <fqdn> ": IIS's text mostly begins with the name again.
void convert_banner(ServerContext& context) {
  const auto setting = context.properties.written("ConnectResponse");
  if (!setting) return;
  std::string text = one_line(setting->value, config::kTextMax - 3);
  const auto fqdn = context.properties.written("FullyQualifiedDomainName");
  const std::string_view name = fqdn ? trim(fqdn->value) : std::string_view();
  if (!name.empty() && text.size() > name.size() && text[name.size()] == ' ' &&
      equals_ignoring_case(std::string_view(text).substr(0, name.size()), name)) {
    text.erase(0, name.size() + 1);
  }
  if (text.empty()) {
    context.remark(Verdict::same, *setting, "is empty", "banner: \"\"");
  } else if (smtp::is_printable_ascii(text)) {
    context.carry(*setting, "banner", yaml_text(text));
  } else {
    context.remark(Verdict::not_carried, *setting, "a banner is printable ASCII");
  }
}

struct MaskBit {
  uint32_t bit;
  std::string_view keyword;
};
constexpr MaskBit kMaskBits[] = {
    {0x40, "DSN"},          {0x400, "ATRN"},          {0x1000, "ENHANCEDSTATUSCODES"},
    {0x100000, "CHUNKING"}, {0x200000, "BINARYMIME"}, {0x400000, "8BITMIME"}};
constexpr uint32_t kMaskEtrn = 0x80;
constexpr uint32_t kMaskUndocumented = 0x1 | 0x2000 | 0x4000 | 0x10000 | 0x40000;

void convert_extensions(ServerContext& context) {
  const auto setting = context.properties.effective("SmtpInboundCommandSupportOptions");
  const auto mask = parse_dword(setting->value);
  if (!mask) {
    context.remark(Verdict::not_carried, *setting, "is no number; all extensions are offered");
    return;
  }
  std::vector<std::string> disabled;
  std::string missing;
  for (const MaskBit& bit : kMaskBits) {
    const bool offered = (*mask & bit.bit) != 0;
    const bool known = allows_word("extensions.disable", bit.keyword);
    if (!offered && known) disabled.emplace_back(bit.keyword);
    if (offered && !known) missing += (missing.empty() ? "" : ", ") + std::string(bit.keyword);
  }
  context.carry(*setting, "extensions.disable", yaml_flow(disabled),
                missing.empty() ? "" : fmt::format("this version does not offer {}", missing),
                missing.empty() ? Verdict::same : Verdict::different);
  if ((*mask & kMaskEtrn) == 0) {
    context.remark(Verdict::different, *setting,
                   "ETRN was not offered; here it is where a domain has queue_for: etrn");
  }
  const uint32_t cleared = kMaskUndocumented & ~*mask;
  if (cleared != 0) {
    context.remark(
        Verdict::not_carried, *setting,
        fmt::format("bits 0x{:x} are cleared; what they stand for is not documented", cleared));
  }
  if (const auto pipelining = context.properties.written("ShouldPipelineIn")) {
    context.remark(is_true(*pipelining) ? Verdict::same : Verdict::different, *pipelining,
                   is_true(*pipelining) ? "PIPELINING is offered"
                                        : "PIPELINING is offered all the same; add it to "
                                          "extensions.disable if a client needs that");
  }
  if (const auto pipelining = context.properties.written("ShouldPipelineOut")) {
    context.remark(is_true(*pipelining) ? Verdict::same : Verdict::different, *pipelining,
                   "next hops that offer PIPELINING get it");
  }
}

void convert_protocol(ServerContext& context) {
  const auto errors = context.properties.effective("MaxSmtpErrors");
  context.remark(Verdict::different, *errors,
                 "Mailroot has a limit of its own for protocol errors in one session");
  const auto rest = [&context](std::string_view name, std::string_view text) {
    if (const auto setting = context.properties.written(name)) {
      context.remark(Verdict::different, *setting, std::string(text));
    }
  };
  rest("AllowVerify", "VRFY is answered 252 and confirms nobody");
  rest("SmtpDomainValidationFlags",
       "the name in HELO and EHLO has to be in the grammar of RFC 5321");
  rest("SmtpHeloNoDomain", "HELO and EHLO need a name");
  rest("SmtpMailNoHelo", "MAIL before HELO or EHLO is answered 503");
}

}  // namespace

void convert_directories(ServerContext& context) {
  convert_home(context);
  convert_drop(context);
  convert_pickup(context);
  convert_banner(context);
  convert_extensions(context);
  convert_protocol(context);
}

}  // namespace mailroot::import
