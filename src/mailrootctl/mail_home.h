// The home directory as import-mail sees it: opened once, everything below it by descriptor.
#pragma once

#include <sys/types.h>

#include <expected>
#include <string>

#include "file_tools.h"

namespace mailroot::ctl {

// Where a file goes: copied into `temporary`, renamed into `place`.
struct Destination {
  std::string name;  // "Drop/new", for people
  const Descriptor* temporary = nullptr;
  const Descriptor* place = nullptr;
};

class MailHome {
 public:
  // Makes the directories below `path` that are missing, with the owner of `path`.
  static std::expected<MailHome, std::string> open(const std::string& path, bool flat_drop);

  Destination pickup() const { return {"Pickup/new", &pickup_tmp_, &pickup_new_}; }
  Destination badmail() const { return {"Badmail/new", &badmail_tmp_, &badmail_new_}; }
  Destination drop() const {
    return flat_drop_ ? Destination{"Drop", &drop_tmp_, &drop_top_}
                      : Destination{"Drop/new", &drop_tmp_, &drop_new_};
  }
  Destination kept(const std::string& folder) const {  // "Pickup" or "Queue"
    return {"Imported/" + folder, &imported_tmp_,
            folder == "Pickup" ? &imported_pickup_ : &imported_queue_};
  }
  const Descriptor& imported() const { return imported_; }
  bool has_flat_drop() const { return flat_drop_; }
  // Gives the open file to whoever owns the home, when we are root.
  std::expected<void, std::string> give(const Descriptor& file, const std::string& name) const;

 private:
  std::expected<void, std::string> make(const Descriptor& at, const std::string& name,
                                        Descriptor& out);
  std::expected<void, std::string> make_all();

  Descriptor root_, imported_, imported_tmp_, imported_pickup_, imported_queue_;
  Descriptor pickup_top_, pickup_tmp_, pickup_new_;
  Descriptor drop_top_, drop_tmp_, drop_new_;
  Descriptor badmail_top_, badmail_tmp_, badmail_new_;
  uid_t owner_ = 0;
  gid_t group_ = 0;
  bool flat_drop_ = false;
};

}  // namespace mailroot::ctl
