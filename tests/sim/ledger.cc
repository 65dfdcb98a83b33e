#include "ledger.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>

namespace mailroot::simtest {

namespace {

constexpr std::string_view kTokenField = "X-Sim-Token: ";

bool begins_field(std::string_view line, const std::vector<std::string_view>& allowed) {
  return std::ranges::any_of(allowed, [line](std::string_view name) {
    return line.starts_with(name) && line.substr(name.size()).starts_with(":");
  });
}

// What is left of `content` behind leading header fields with these names; nothing if another
// field comes before the submission's own first one.
std::string_view behind_fields(std::string_view content,
                               const std::vector<std::string_view>& allowed) {
  bool in_field = false;
  while (!content.starts_with(kTokenField)) {
    const size_t end = content.find("\r\n");
    if (end == std::string_view::npos) return {};
    const std::string_view line = content.substr(0, end);
    const bool is_folded = line.starts_with(' ') || line.starts_with('\t');
    if (!(is_folded && in_field) && !begins_field(line, allowed)) return {};
    in_field = true;
    content.remove_prefix(end + 2);
  }
  return content;
}

// The addresses a report speaks of, with what happened to them.
std::vector<std::pair<std::string, std::string>> reported(std::string_view content) {
  constexpr std::string_view kRecipient = "\r\nFinal-Recipient: rfc822; ";
  constexpr std::string_view kAction = "\r\nAction: ";
  std::vector<std::pair<std::string, std::string>> out;
  for (size_t at = content.find(kRecipient); at != std::string_view::npos;
       at = content.find(kRecipient, at + 1)) {
    const size_t address = at + kRecipient.size();
    const size_t action = content.find(kAction, at);
    if (action == std::string_view::npos) break;
    const size_t word = action + kAction.size();
    out.emplace_back(content.substr(address, content.find("\r\n", address) - address),
                     content.substr(word, content.find("\r\n", word) - word));
  }
  return out;
}

}  // namespace

void Ledger::violation(std::string text) {
  note("-- oracle " + text);
  if (std::ranges::find(violations_, text) == violations_.end()) {
    violations_.push_back(std::move(text));
  }
}

Submission& Ledger::open(uint32_t server, std::string sender, std::vector<std::string> recipients,
                         std::string content) {
  submissions_.push_back(std::make_unique<Submission>());
  Submission& submission = *submissions_.back();
  submission.server = server;
  submission.content = std::move(content);
  for (const std::string& address : recipients) {
    submission.recipients[address];
    by_recipient_[address] = &submission;
  }
  if (!sender.empty()) by_sender_[sender] = &submission;
  submission.sender = std::move(sender);
  return submission;
}

Submission* Ledger::of_recipient(std::string_view address) {
  const auto found = by_recipient_.find(address);
  return found == by_recipient_.end() ? nullptr : found->second;
}

Submission* Ledger::of_sender(std::string_view address) {
  const auto found = by_sender_.find(address);
  return found == by_sender_.end() ? nullptr : found->second;
}

RecipientBook* Ledger::recipient(std::string_view address) {
  Submission* submission = of_recipient(address);
  return submission == nullptr ? nullptr
                               : &submission->recipients.find(std::string(address))->second;
}

std::vector<Delivery*> Ledger::take(std::string_view sender,
                                    const std::vector<std::string>& recipients,
                                    std::string_view content, Instant began, Instant now) {
  const Delivery delivery{began, now, false};
  std::vector<Delivery*> taken;
  for (const std::string& address : recipients) {
    note(fmt::format("-- a next hop took mail for {} from <{}>", address, sender));
    if (sender.empty() && of_sender(address) != nullptr) {
      take_report(address, content, delivery, taken);
      continue;
    }
    const Submission* submission = of_recipient(address);
    if (submission == nullptr) {
      violation(fmt::format("2: mail for {}, whom nobody wrote to", address));
      continue;
    }
    if (submission->sender != sender) {
      violation(fmt::format("2: {} got mail from <{}> instead of <{}>", address, sender,
                            submission->sender));
    }
    if (behind_fields(content, {"Received"}) != submission->content) {
      violation(fmt::format("2: {} got content that nobody sent ({} bytes, sent {})", address,
                            content.size(), submission->content.size()));
    }
    RecipientBook& book = *recipient(address);
    book.deliveries.push_back(delivery);
    taken.push_back(&book.deliveries.back());
    ++taken_;
  }
  return taken;
}

void Ledger::take_report(std::string_view sender, std::string_view content,
                         const Delivery& delivery, std::vector<Delivery*>& taken) {
  const auto lines = reported(content);
  if (lines.empty()) violation(fmt::format("2: a report to {} that reports nothing", sender));
  ++reports_;
  for (const auto& [address, action] : lines) {
    const Submission* submission = of_recipient(address);
    if (submission == nullptr || submission->sender != sender) {
      violation(
          fmt::format("2: a report to {} about {}, whom it did not write to", sender, address));
      continue;
    }
    if (action != "failed") continue;
    RecipientBook& book = *recipient(address);
    book.failure_reports.push_back(delivery);
    taken.push_back(&book.failure_reports.back());
  }
}

void Ledger::dropped(std::string_view name, std::string_view file) {
  const std::string_view content =
      behind_fields(file, {"x-sender", "x-receiver", "Return-Path", "Received"});
  std::string_view head = file.substr(0, file.size() - content.size());
  constexpr std::string_view kReceiver = "x-receiver: ";
  size_t receivers = 0;
  for (size_t at = head.find(kReceiver); at != std::string_view::npos;
       at = head.find(kReceiver, at + 1)) {
    const size_t begin = at + kReceiver.size();
    const std::string address(head.substr(begin, head.find('\r', begin) - begin));
    ++receivers;
    Submission* submission = of_recipient(address);
    if (submission == nullptr || submission->content != content) {
      violation(fmt::format("2: Drop file {} for {} holds what nobody sent", name, address));
      continue;
    }
    RecipientBook& book = *recipient(address);
    if (++book.drops > 1) violation(fmt::format("3: {} is in Drop twice ({})", address, name));
  }
  if (receivers == 0) violation(fmt::format("2: Drop file {} is nobody's", name));
}

void Ledger::refuse(std::string_view address) {
  if (RecipientBook* book = recipient(address)) book->refused_permanently = true;
}

void Ledger::refuse_all(std::string_view domain) {
  if (domain.empty()) smart_host_refuses_ = true;
  refusing_domains_.emplace(domain);
}

void Ledger::logged_delivered(std::string_view address, Instant now) {
  if (RecipientBook* book = recipient(address)) book->logged.push_back(now);
}

size_t Ledger::promises_given() const {
  return static_cast<size_t>(std::ranges::count_if(
      submissions_, [](const auto& one) { return one->promise == Promise::given; }));
}

}  // namespace mailroot::simtest
