// A second, simple-minded decoder to compare with: one octet at a time, no views.
#pragma once

#include <string>
#include <string_view>

namespace mailroot::fuzz {

struct PlainText {
  std::string content;
  bool bare = false;
};

// Every CR and LF that is not a pair becomes a space or CRLF.
inline PlainText normalise(std::string_view text, bool at_end) {
  PlainText plain;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\r' && i + 1 < text.size() && text[i + 1] == '\n') {
      plain.content += "\r\n";
      ++i;
    } else if (text[i] == '\r') {
      if (i + 1 == text.size() && !at_end) break;  // not known yet
      plain.content += ' ';
      plain.bare = true;
    } else if (text[i] == '\n') {
      plain.content += "\r\n";
      plain.bare = true;
    } else {
      plain.content += text[i];
    }
  }
  return plain;
}

}  // namespace mailroot::fuzz
