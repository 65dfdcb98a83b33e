// Copies files into a home directory, some at a time: into tmp and synced; then all into the
// ledger; then each renamed to its place. A crash at any point leaves a state the next run goes on
// from.
#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "mail_home.h"
#include "mail_ledger.h"

namespace mailroot::ctl {

// One file of the source.
struct MailItem {
  std::string folder, name;  // "Badmail", "0af3.BAD"
  std::string key;           // for the ledger
  Destination to;
  std::string target;                 // wanted name there; the one it got when it is told
  std::optional<std::string> reason;  // text of TARGET.reason beside it
  bool keep_time = true;              // the file's own time of change
  std::string note;                   // for the report
};

class MailBatch {
 public:
  using Told = std::function<void(const MailItem&)>;

  // All outlive it; `told` hears of each file that is in its place.
  MailBatch(const MailHome& home, MailLedger& ledger, Told told)
      : home_(home), ledger_(ledger), told_(std::move(told)) {}

  enum class Known : uint8_t { fresh, taken, recovered };
  // Whether the ledger has it; finishes one that an interrupted run left in tmp.
  std::expected<Known, std::string> look_up(MailItem& item);
  // `file` was opened with `status`. A sentence about this file alone; `fatal` when no other will
  // do better (no space).
  struct Failure {
    std::string text;
    bool fatal = false;
  };
  std::expected<void, Failure> add(MailItem item, const Descriptor& file,
                                   const struct stat& status);
  // Ends with all of them in place and durable.
  std::expected<void, std::string> flush();

 private:
  std::expected<void, Failure> copy(const MailItem& item, const Descriptor& file,
                                    const struct stat& status, const Descriptor& into);
  std::expected<void, Failure> write_reason(const MailItem& item);
  std::expected<Descriptor, Failure> create(const Destination& to, const std::string& name) const;
  std::expected<std::string, std::string> free_target(const MailItem& item) const;
  std::expected<void, std::string> place(MailItem& item);
  bool rename_in(const MailItem& item) const;

  const MailHome& home_;
  MailLedger& ledger_;
  Told told_;
  std::vector<MailItem> items_;
  std::set<std::string> chosen_;  // "Drop/new/x" of items_
};

// A name that every program can use: printable ASCII without blanks, slashes or a leading dot.
std::string target_name(std::string_view name);

}  // namespace mailroot::ctl
