#include "name_events.h"

#include <sys/inotify.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string>

namespace mailroot::reactor {

namespace {

constexpr size_t kBufferBytes = 64 * 1024;  // a call's worth; the rest is read at the next one

NameEventKind kind_of(uint32_t mask) {
  if ((mask & IN_Q_OVERFLOW) != 0) return NameEventKind::lost;
  if ((mask & IN_MOVED_TO) != 0) return NameEventKind::moved_in;
  if ((mask & IN_CLOSE_WRITE) != 0) return NameEventKind::closed;
  if ((mask & IN_CREATE) != 0) return NameEventKind::created;
  return NameEventKind::touched;
}

}  // namespace

result<Descriptor> open_inotify() {
  const int made = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  if (made < 0) return std::unexpected(error_from_errno(errno));
  return made;
}

result<int> add_inotify_directory(Descriptor inotify, Descriptor directory) {
  // There is no call that takes a descriptor; this path is the very directory it stands for.
  const std::string path = "/proc/self/fd/" + std::to_string(directory);
  const uint32_t mask = IN_CREATE | IN_MOVED_TO | IN_CLOSE_WRITE | IN_ATTRIB | IN_ONLYDIR;
  const int id = inotify_add_watch(inotify, path.c_str(), mask);
  if (id < 0) return std::unexpected(error_from_errno(errno));
  return id;
}

void remove_inotify_directory(Descriptor inotify, int id) {
  // Fails when the directory is gone, and the watch with it.
  static_cast<void>(inotify_rm_watch(inotify, id));
}

result<void> read_inotify(Descriptor inotify, std::vector<WatchedName>& events) {
  alignas(inotify_event) std::array<char, kBufferBytes> buffer;
  const ssize_t got = ::read(inotify, buffer.data(), buffer.size());
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return {};
  if (got < 0) return std::unexpected(error_from_errno(errno));
  for (ssize_t at = 0; at < got;) {
    const auto* event = reinterpret_cast<const inotify_event*>(buffer.data() + at);
    at += static_cast<ssize_t>(sizeof(inotify_event) + event->len);
    if ((event->mask & (IN_IGNORED | IN_ISDIR)) != 0) continue;
    const NameEventKind kind = kind_of(event->mask);
    if (kind != NameEventKind::lost && event->len == 0) continue;  // of the directory itself
    events.push_back({kind, event->wd, event->len == 0 ? std::string() : std::string(event->name)});
  }
  return {};
}

}  // namespace mailroot::reactor
