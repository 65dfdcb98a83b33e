#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace mailroot::bench {

/// One reply as far as the source needs it (RFC 5321 4.2).
struct Reply {
  int code = 0;
  bool last = true;       // false for a line that announces another one
  std::string_view text;  // of this line, after the code
};

/// Cuts the server's bytes into reply lines. A line may arrive in pieces of any size.
class ReplyReader {
 public:
  enum class State : uint8_t { line, more, garbage };

  /// Takes one line from the front of `input`. `line` fills `reply`, whose text is valid until the
  /// next call; `more` kept what was left; `garbage` means this is no SMTP reply.
  State next(std::string_view& input, Reply& reply);

  void reset() { partial_.clear(); }

 private:
  static constexpr size_t kLineMax = 8192;
  static bool parse(std::string_view line, Reply& reply);
  std::string partial_;
  std::string joined_;
};

}  // namespace mailroot::bench
