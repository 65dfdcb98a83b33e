// A look into a mail file: does it have its envelope, can it be sent?
#pragma once

#include <expected>
#include <string>

#include "file_tools.h"

namespace mailroot::ctl {

struct MailLook {
  bool has_envelope = false;  // X-Receiver lines, or a queue file's block
  bool sendable = false;      // a sender and recipients, from the envelope or from the header
  std::string why_not;        // a sentence without a full stop
  std::string addresses;      // "ann@a.example -> bob@b.example and 2 more"
};

// Reads at most the header section.
std::expected<MailLook, std::string> look_at_mail(const Descriptor& file, const std::string& name,
                                                  uint64_t size_bytes);

}  // namespace mailroot::ctl
