// Small steps on directories that several parts of spool/ take. Private to spool/.
#pragma once

#include <fcntl.h>

#include <string>
#include <string_view>

#include "mailroot/base/queue_id.h"
#include "mailroot/base/result.h"
#include "mailroot/reactor/reactor.h"

namespace mailroot::spool {

inline constexpr uint32_t kOpenDirectory = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
inline constexpr uint32_t kFileMode = 0600;
inline constexpr uint32_t kDirectoryMode = 0700;

struct OpenedDirectory {
  reactor::Descriptor descriptor = reactor::kNoDescriptor;
  bool created = false;
};
// Opens `name`, making it first if it is missing; the caller syncs `parent` when it was created.
reactor::task<result<OpenedDirectory>> open_directory(reactor::Reactor& reactor,
                                                      reactor::Descriptor parent, std::string name,
                                                      uint32_t mode);

// The whole of a small file; limit: it is longer than `size_max`.
reactor::task<result<std::string>> read_small_file(reactor::Reactor& reactor,
                                                   reactor::Descriptor directory, std::string name,
                                                   size_t size_max);
// Writes `name` anew: a synced `<name>.new`, renamed over it, directory synced.
reactor::task<result<void>> write_small_file(reactor::Reactor& reactor,
                                             reactor::Descriptor directory, std::string name,
                                             std::string text);

// Overwrites the beginning of a file that is there, in place, synced: a full disk has room for it.
// Whole or not at all after a crash only inside one sector; the file does not become shorter.
reactor::task<result<void>> overwrite_small_file(reactor::Reactor& reactor,
                                                 reactor::Descriptor directory, std::string name,
                                                 std::string text);

// "<queue id>.eml": the name of a message's file in Queue and Badmail.
std::string message_file_name(const QueueId& id);
std::optional<QueueId> parse_message_file_name(std::string_view name);

// Makes what happened in one directory durable; callers that come while a sync runs share the next.
class DirectorySync {
 public:
  DirectorySync(reactor::Reactor& reactor, reactor::Descriptor directory)
      : reactor_(reactor), directory_(directory) {}
  // Everything done in the directory before the call is durable when this returns ok.
  reactor::task<result<void>> sync();
  reactor::Descriptor directory() const { return directory_; }

 private:
  reactor::Reactor& reactor_;
  reactor::Descriptor directory_;
  reactor::Event ended_;
  bool running_ = false;
  uint64_t started_ = 0;  // syncs begun
  uint64_t done_ = 0;     // syncs ended
  std::optional<Error> last_failure_;
};

}  // namespace mailroot::spool
