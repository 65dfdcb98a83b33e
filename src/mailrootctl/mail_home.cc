#include "mail_home.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

namespace mailroot::ctl {

std::expected<MailHome, std::string> MailHome::open(const std::string& path, bool flat_drop) {
  MailHome home;
  home.flat_drop_ = flat_drop;
  auto root = open_directory(AT_FDCWD, path, true);
  if (!root) {
    return std::unexpected(root.error() +
                           "; start the virtual server once, it makes its home directory");
  }
  struct stat status{};
  if (::fstat(root->number(), &status) != 0) return std::unexpected(system_trouble(path));
  home.owner_ = status.st_uid;
  home.group_ = status.st_gid;
  home.root_ = std::move(*root);
  if (auto made = home.make_all(); !made) return std::unexpected(made.error());
  return home;
}

std::expected<void, std::string> MailHome::make_all() {
  struct Step {
    const Descriptor* at;
    const char* name;
    Descriptor* out;
  };
  const Step steps[] = {
      {&root_, "Pickup", &pickup_top_},       {&pickup_top_, "tmp", &pickup_tmp_},
      {&pickup_top_, "new", &pickup_new_},    {&root_, "Drop", &drop_top_},
      {&drop_top_, "tmp", &drop_tmp_},        {&drop_top_, "new", &drop_new_},
      {&root_, "Badmail", &badmail_top_},     {&badmail_top_, "tmp", &badmail_tmp_},
      {&badmail_top_, "new", &badmail_new_},  {&root_, "Imported", &imported_},
      {&imported_, "tmp", &imported_tmp_},    {&imported_, "Pickup", &imported_pickup_},
      {&imported_, "Queue", &imported_queue_}};
  for (const Step& step : steps) {
    if (auto made = make(*step.at, step.name, *step.out); !made) return made;
  }
  return {};
}

std::expected<void, std::string> MailHome::make(const Descriptor& at, const std::string& name,
                                                Descriptor& out) {
  const bool made = ::mkdirat(at.number(), name.c_str(), 0700) == 0;
  if (!made && errno != EEXIST) return std::unexpected(system_trouble(name));
  auto opened = open_directory(at.number(), name, false);
  if (!opened) return std::unexpected(opened.error());
  out = std::move(*opened);
  if (!made) return {};
  if (auto given = give(out, name); !given) return given;
  return sync(at, name);
}

std::expected<void, std::string> MailHome::give(const Descriptor& file,
                                                const std::string& name) const {
  if (::geteuid() != 0 || ::fchown(file.number(), owner_, group_) == 0) return {};
  return std::unexpected(system_trouble(name));
}

}  // namespace mailroot::ctl
