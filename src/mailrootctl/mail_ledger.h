// What import-mail has taken over: HOME/Imported/ledger, one line a file, appended and synced
// before the file is renamed into its place. A file that is entered and still lies in tmp only
// waits for its rename.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <unordered_map>
#include <vector>

#include "file_tools.h"
#include "mail_home.h"

namespace mailroot::ctl {

struct LedgerEntry {
  std::string key;     // the source file: folder, size, time, directory, name
  std::string target;  // its name in the destination
};

class MailLedger {
 public:
  // Locks it: a second import into the same home is refused.
  static std::expected<MailLedger, std::string> open(const MailHome& home);

  // Its target name, or null.
  const std::string* find(const std::string& key) const;
  // Durable when it returns.
  std::expected<void, std::string> append(const std::vector<LedgerEntry>& entries);

 private:
  std::expected<void, std::string> load();

  Descriptor file_;
  std::unordered_map<std::string, std::string> entries_;
};

// Printable and without blanks, and back the same for the same text.
std::string ledger_word(std::string_view text);

}  // namespace mailroot::ctl
