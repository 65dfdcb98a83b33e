// One request to the world and its completions: the seam between Reactor and its backends.
#pragma once

#include <sys/uio.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "mailroot/base/address.h"
#include "mailroot/base/time.h"

namespace mailroot::reactor {

// A file descriptor of the kernel, or of the simulated world. Never negative when valid.
using Descriptor = int;
inline constexpr Descriptor kNoDescriptor = -1;
// For *_at operations: paths relative to no directory (absolute, or the current one).
inline constexpr Descriptor kNoDirectory = -100;  // AT_FDCWD

enum class Opcode : uint8_t {
  accept,     // multishot: each completion's result is a new descriptor; ends with -EMFILE and kin
  receive,    // multishot: each completion carries a buffer of the receive pool; 0 = end. An empty
              // pool is not an error: the backend goes on when buffers come back
  send,       // all of `buffers`, or an error; never short. Result: bytes, at most INT32_MAX
  connect,    // makes the socket; result is its descriptor
  poll,       // once: result is the ready poll(2) events of `flags`
  shut_down,  // half close: no more sends
  close,      // no other operation may be in flight on the descriptor: it may be reused at once
  open_at,    // flags, mode as openat2(2), never following a symbolic link in the last part
  read_at,    // offset, buffers; may be short only at the end of the file
  write_at,   // offset, buffers; never short: an error, or all of it
  sync,       // flags: SyncKind
  rename_at,  // path in descriptor -> path2 in descriptor2; flags: renameat2 (RENAME_NOREPLACE)
  unlink_at,  // flags: AT_REMOVEDIR
  make_directory_at,
  stat_at,             // output: FileStatus; path "" = the descriptor itself; never follows links
  list_directory,      // output: std::vector<DirectoryEntry>, unordered, without . and ..
  truncate,            // length
  allocate,            // offset, length: reserves and zero-writes blocks (mode 0 fallocate)
  file_system_status,  // output: FileSystemStatus
  lock,                // exclusive, not waiting; held until close
  list_page,           // output: DirectoryPage; goes on where the descriptor stands
  set_access,          // flags: group, or kGroupAsItIs; mode: permissions, whatever the umask
};

enum class SyncKind : uint32_t {
  data,
  data_and_metadata,
  file_system,  // all of it, names too: one call for many small files (syncfs(2))
};

struct FileStatus {
  uint64_t device = 0;
  uint64_t inode = 0;
  uint64_t size_bytes = 0;
  uint32_t mode = 0;  // type and permissions as st_mode
  uint32_t user = 0;
  uint32_t group = 0;
  uint64_t link_count = 0;
  WallTime modified{};
  WallTime changed{};                // of content, name or permissions (ctime)
  uint32_t direct_memory_align = 0;  // STATX_DIOALIGN; 0 = O_DIRECT not known to work
  uint32_t direct_offset_align = 0;
};

struct DirectoryEntry {
  std::string name;
  uint8_t type = 0;  // d_type of readdir(3)
  uint64_t inode = 0;
};

// Some entries of a directory with their status, as of about the same moment; without . and .., and
// without what vanished meanwhile.
struct DirectoryPage {
  struct Entry {
    std::string name;
    FileStatus status;  // of the entry itself: links are not followed
  };
  std::vector<Entry> entries;
  bool at_end = false;  // there are no more, also when the directory has changed meanwhile
};

inline constexpr uint32_t kGroupAsItIs = UINT32_MAX;

// What happened to a name in a watched directory (inotify(7)).
enum class NameEventKind : uint8_t {
  created,   // made here, or linked here: whoever made it may still write
  moved_in,  // renamed here
  closed,    // somebody who could write it has closed it
  touched,   // its permissions changed
  lost,      // events were lost: look at everything
};

struct FileSystemStatus {
  uint64_t magic = 0;       // f_type of statfs(2)
  uint64_t free_bytes = 0;  // for an unprivileged user
  uint64_t total_bytes = 0;
  uint64_t free_inodes = 0;
  bool read_only = false;
};

struct Operation;

// What a backend reports. For multishot operations `more` tells that further completions follow;
// the last completion of every operation has more == false and arrives exactly once, also after
// cancel(). `buffer` (receive only) is a lease the receiver must give back.
struct Completion {
  Operation* operation = nullptr;
  int32_t result = 0;  // >= 0, or a negative errno
  bool more = false;
  int32_t buffer = -1;  // index in the receive pool, or -1
};

// At most one reading operation (accept, receive, poll for input) and one writing operation (send,
// connect, poll for output) are in flight on one socket. Lives in its owner (an awaiter in a
// coroutine frame, or a stream object) from submit() to its last completion; a frame with an
// operation in flight is never destroyed.
struct Operation {
  Opcode opcode = Opcode::close;
  Descriptor descriptor = kNoDescriptor;
  Descriptor descriptor2 = kNoDescriptor;
  uint32_t flags = 0;
  uint32_t mode = 0;
  uint64_t offset = 0;
  uint64_t length = 0;
  std::span<const iovec> buffers;
  const char* path = nullptr;  // alive until completion
  const char* path2 = nullptr;
  const SocketAddress* address = nullptr;        // connect: the peer
  const SocketAddress* local_address = nullptr;  // connect: bind first; may be null
  void* output = nullptr;

  // Called by the Reactor in its run phase, never from inside Backend::wait.
  void (*on_completion)(Operation& operation, const Completion& completion) = nullptr;

  uint32_t slot = UINT32_MAX;  // backend's own: its table index while in flight
  uint32_t generation = 0;     // backend's own
};

}  // namespace mailroot::reactor
