// What IIS wrote beside a message in Badmail, as the text of Mailroot's reason file. Pure.
#pragma once

#include <string>
#include <string_view>

namespace mailroot::import {

struct BadmailTriple {
  std::string name;      // base name, for the text
  std::string_view bdr;  // text: the sentence, error code, sender, recipients; may be empty
  std::string_view bdp;  // binary properties; only runs of printable text can be read
  bool has_bdr = false;
  bool has_bdp = false;
};

// Printable lines; bounded by limits.h.
std::string badmail_reason(const BadmailTriple& triple);

}  // namespace mailroot::import
