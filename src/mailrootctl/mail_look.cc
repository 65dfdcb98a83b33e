#include "mail_look.h"

#include <fmt/format.h>

#include <algorithm>

#include "mailroot/message/pickup.h"
#include "mailroot/smtp/grammar.h"

namespace mailroot::ctl {

namespace {

constexpr size_t kFirstWindow = 16 * 1024;
// Bare addresses get the virtual server's default domain when they are sent; here any will do.
constexpr std::string_view kSomeDomain = "local.invalid";

// A field of the header section, in any case.
bool has_field(std::string_view text, std::string_view name) {
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    if (line.empty() || line == "\r") return false;
    if (line.size() > name.size() && line[name.size()] == ':' &&
        smtp::equals_ignoring_case(line.substr(0, name.size()), name)) {
      return true;
    }
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return false;
}

std::string describe(const smtp::Envelope& envelope) {
  std::string out = smtp::to_path(envelope.reverse_path) + " ->";
  constexpr size_t kShown = 3;
  for (size_t i = 0; i < std::min(kShown, envelope.recipients.size()); ++i) {
    out += " " + smtp::to_path(envelope.recipients[i].address);
  }
  if (envelope.recipients.size() > kShown) {
    out += fmt::format(" and {} more", envelope.recipients.size() - kShown);
  }
  return out;
}

}  // namespace

std::expected<MailLook, std::string> look_at_mail(const Descriptor& file, const std::string& name,
                                                  uint64_t size_bytes) {
  MailLook look;
  for (uint64_t window = kFirstWindow;; window *= 4) {
    const uint64_t wanted = std::min<uint64_t>({window, message::kPickupHeaderMax, size_bytes});
    auto prefix = read_some(file, name, 0, wanted);
    if (!prefix) return std::unexpected(prefix.error());
    look.has_envelope = has_field(*prefix, "X-Receiver") || has_field(*prefix, "X-Queue-Id");
    const auto parsed = message::parse_pickup(as_bytes(*prefix), size_bytes, kSomeDomain);
    if (parsed) {
      look.sendable = true;
      look.addresses = describe(parsed->envelope);
      return look;
    }
    if (parsed.error().error == message::PickupError::incomplete &&
        wanted < std::min<uint64_t>(message::kPickupHeaderMax, size_bytes)) {
      continue;
    }
    look.why_not = parsed.error().detail.empty() ? "it is no message" : parsed.error().detail;
    return look;
  }
}

}  // namespace mailroot::ctl
