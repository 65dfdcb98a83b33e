// Bytes of mail as control answers them, and as a terminal may see them. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace mailroot::ctl {

// Of text whose characters (U+0000 to U+00FF, in UTF-8) stand for bytes; nothing for other text.
std::optional<std::string> bytes_of_characters(std::string_view text);

// Line ends stay, a CR before them is left out; other control characters and bytes above 126
// become \xNN: a message cannot command the terminal.
class TerminalText {
 public:
  // What can be shown by now; a CR at the end waits for what follows.
  std::string add(std::string_view bytes);
  std::string finish();

 private:
  bool has_cr_ = false;
};

}  // namespace mailroot::ctl
