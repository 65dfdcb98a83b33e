// One virtual server's file: changed as a text, checked with the whole configuration, and only then
// written.
#pragma once

#include <expected>
#include <string>
#include <vector>

#include "mailroot/config/describe.h"
#include "mailroot/config/edit.h"
#include "site.h"

namespace mailroot::ctl {

class FileEdit {
 public:
  // The file of `server`; the failure is a sentence.
  static std::expected<FileEdit, std::string> open(const Site& site,
                                                   const config::VirtualServer& server);

  std::expected<void, std::string> apply(const config::Wish& wish);
  bool changes_nothing() const { return text_ == old_text_; }

  struct Verdict {
    std::vector<std::string> problems;   // errors of the configuration: it is not written
    std::vector<std::string> obstacles;  // why the virtual server could not start with it
    std::vector<std::string> warnings;   // that were not there before
  };
  // What the whole configuration says to the new text. What was wrong before is not repeated.
  Verdict check();
  std::expected<void, std::string> write();
  // After write(): the text that was there before.
  std::expected<void, std::string> restore();

  const std::string& file() const { return file_; }
  // After check(): the values that differ, before and after.
  struct Change {
    std::string key, before, after;
    config::Reload seen = config::Reload::live;
  };
  std::vector<Change> changes() const;

 private:
  FileEdit(const Site& site, const config::VirtualServer& server) : site_(site), server_(server) {}

  const Site& site_;
  const config::VirtualServer& server_;
  std::string file_;     // links resolved
  std::string seen_as_;  // as the configuration calls it
  std::string old_text_, text_;
  std::optional<config::ConfigSnapshot> next_;
};

}  // namespace mailroot::ctl
