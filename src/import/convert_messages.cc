// Limits of messages, reports, Badmail.
#include <algorithm>

#include "mailroot/smtp/grammar.h"
#include "server_context.h"
#include "text.h"

namespace mailroot::import {

namespace {

constexpr uint32_t kSizeLeast = 1024;  // of messages.size_limit

void convert_sizes(ServerContext& context) {
  const auto size = context.properties.effective("MaxMessageSize");
  const auto session = context.properties.effective("MaxSessionSize");
  // What cannot be read has IIS's default: Mailroot's could be above the limit of the session.
  const auto number_of = [&context](const Setting& setting, uint32_t fallback) {
    const auto number = parse_dword(setting.value);
    if (!number) {
      context.remark(Verdict::different, setting, "is no number; IIS's default is taken");
    }
    return number.value_or(fallback);
  };
  const uint32_t size_bytes = number_of(*size, 2'097'152);
  const uint32_t session_bytes = number_of(*session, 10'485'760);
  const bool session_unlimited = is_unlimited(session_bytes);
  uint32_t size_limit = 0;
  if (!is_unlimited(size_bytes)) {
    size_limit = std::max(size_bytes, kSizeLeast);
    context.carry(*size, "messages.size_limit", yaml_size(size_limit),
                  size_limit == size_bytes ? "" : "the least there can be",
                  size_limit == size_bytes ? Verdict::same : Verdict::different);
  } else if (!session_unlimited) {
    // No message is larger than its session.
    size_limit = std::max(session_bytes, kSizeLeast);
    context.carry(*size, "messages.size_limit", yaml_size(size_limit),
                  "IIS had no limit for a message, but one for the session that it is part of",
                  Verdict::different);
  } else {
    context.carry(*size, "messages.size_limit", "unlimited");
  }
  if (session_unlimited) {
    context.carry(*session, "messages.session_size_limit", "unlimited");
  } else {
    const uint32_t limit = std::max({session_bytes, size_limit, kSizeLeast});
    context.carry(*session, "messages.session_size_limit", yaml_size(limit),
                  limit == session_bytes ? "" : "raised to the limit of one message",
                  limit == session_bytes ? Verdict::same : Verdict::different);
  }
}

void convert_counts(ServerContext& context) {
  constexpr uint32_t kMost = 1'000'000;
  const auto batch = context.properties.effective("MaxBatchedMessages");
  const auto messages = parse_dword(batch->value);
  if (!messages) {
    context.remark(Verdict::not_carried, *batch, "is no number");
  } else if (is_unlimited(*messages) || *messages > kMost) {
    context.carry(*batch, "messages.per_connection_limit", "unlimited");
  } else {
    context.carry(*batch, "messages.per_connection_limit", std::to_string(*messages));
  }
  const auto recipients = context.properties.effective("MaxRecipients");
  const auto count = parse_dword(recipients->value);
  if (count && !is_unlimited(*count)) {
    context.carry(*recipients, "messages.recipients_limit",
                  std::to_string(std::min(*count, kMost)));
    return;
  }
  context.yaml.set_off("messages.recipients_limit", "1000000", as_comment(*recipients));
  context.remark(Verdict::different, *recipients,
                 count ? "IIS had no limit; Mailroot's 1000 applies, clients send the rest in a "
                         "further transaction"
                       : "is no number; Mailroot's 1000 applies",
                 "messages.recipients_limit");
}

void convert_reports(ServerContext& context) {
  const auto copy = context.properties.written("SendNdrTo");
  if (copy && !trim(copy->value).empty()) {
    smtp::AddressRules rules;
    rules.default_domain = context.default_domain;
    const auto mailbox = smtp::parse_mailbox(trim(copy->value), rules);
    if (mailbox) {
      context.carry(*copy, "messages.ndr_copy_to", yaml_text(smtp::to_string(*mailbox)));
    } else {
      context.remark(Verdict::decide, *copy, "is no mail address; set messages.ndr_copy_to");
    }
  } else if (copy) {
    context.remark(Verdict::same, *copy, "no copies", "messages.ndr_copy_to: \"\"");
  }
  if (const auto bad = context.properties.written("SendBadTo")) {
    context.remark(Verdict::not_carried, *bad,
                   "undeliverable reports go to Badmail only, beside a readable reason");
  }
  for (const std::string_view name : {"PostmasterEmail", "PostmasterName"}) {
    const auto setting = context.properties.written(name);
    if (setting && !trim(setting->value).empty()) {
      context.remark(Verdict::not_carried, *setting,
                     "reports come from postmaster at the default domain");
    }
  }
  for (const std::string_view name : {"SmtpDSNLanguageID", "SmtpDSNOptions"}) {
    const auto setting = context.properties.written(name);
    if (!setting) continue;
    if (parse_dword(setting->value) == 0u) {
      context.remark(Verdict::same, *setting, "the default");
    } else {
      context.remark(Verdict::not_carried, *setting, "reports are in English");
    }
  }
}

}  // namespace

void convert_messages(ServerContext& context) {
  convert_sizes(context);
  convert_counts(context);
  convert_reports(context);
}

}  // namespace mailroot::import
