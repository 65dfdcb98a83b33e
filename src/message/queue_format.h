// The words of the queue file format, shared by its writer and its reader.
#pragma once

#include <array>
#include <string_view>

#include "mailroot/message/queue_file.h"

namespace mailroot::message::format {

inline constexpr std::string_view kVersion = "1";
inline constexpr std::string_view kId = "X-Queue-Id: ";
inline constexpr std::string_view kFormat = "X-Queue-Format: ";
inline constexpr std::string_view kSender = "X-Sender: ";
inline constexpr std::string_view kEnvelope = "X-Queue-Envelope: ";
inline constexpr std::string_view kReceiver = "X-Receiver: ";
inline constexpr std::string_view kOptions = "X-Queue-Options: ";
inline constexpr std::string_view kOrigin = "X-Queue-Origin: ";
inline constexpr std::string_view kTimes = "X-Queue-Times: ";
inline constexpr std::string_view kContent = "X-Queue-Content: ";
inline constexpr std::string_view kLast = "X-Queue-Last: ";
inline constexpr std::string_view kStatus = "X-Queue-Status: ";
inline constexpr std::string_view kPad = "X-Queue-Pad: ";
inline constexpr std::string_view kEnd = "X-Queue-End: ";

inline constexpr size_t kTimeWidth = 24;
inline constexpr size_t kAttemptsWidth = 10;
inline constexpr size_t kSizeWidth = 20;
inline constexpr size_t kCrcWidth = 8;

// traits=hblngd, '-' where not set.
struct TraitLetter {
  char letter;
  bool smtp::ContentTraits::* flag;
};
inline constexpr std::array<TraitLetter, 6> kTraitLetters = {{
    {'h', &smtp::ContentTraits::eight_bit_header},
    {'b', &smtp::ContentTraits::eight_bit_body},
    {'l', &smtp::ContentTraits::bare_line_end},
    {'n', &smtp::ContentTraits::nul},
    {'g', &smtp::ContentTraits::long_line},
    {'d', &smtp::ContentTraits::downgradable},
}};

struct NotifyWord {
  std::string_view word;
  bool smtp::Notify::* flag;
};
inline constexpr std::array<NotifyWord, 4> kNotifyWords = {{
    {"never", &smtp::Notify::never},
    {"success", &smtp::Notify::success},
    {"failure", &smtp::Notify::failure},
    {"delay", &smtp::Notify::delay},
}};

}  // namespace mailroot::message::format
