// The world's failures as values: result<T> is handled at once by whoever receives it.
// Peer's faults are SMTP replies, our own are MAILROOT_ASSERT (base/assert.h).
#pragma once

#include <cstdint>
#include <expected>
#include <string_view>

namespace mailroot {

enum class Errc : uint8_t {
  cancelled,        // the wait was called off by its CancelScope
  timed_out,        // the wait's deadline passed
  end_of_stream,    // the peer closed its side in order
  reset,            // the connection broke
  refused,          // nobody listens there
  unreachable,      // no route to there
  address_in_use,   // bind met another owner
  address_missing,  // bind to an address this machine does not have
  no_space,         // ENOSPC or EDQUOT
  io,               // EIO: the device or its file system failed
  read_only,        // EROFS
  not_found,        // ENOENT
  exists,           // EEXIST
  permission,       // EACCES, EPERM
  too_many_files,   // EMFILE, ENFILE
  no_memory,        // ENOMEM, ENOBUFS, or a budget of ours is spent
  limit,            // a named limit was reached
  corrupt,          // stored data fails its checks
  invalid,          // the kernel or a parser rejects the arguments
  unsupported,      // not available here
  busy,             // somebody else holds it
};

// A failure: what kind, and the errno it came from (0 when it is our own finding).
struct Error {
  Errc code = Errc::io;
  int system_errno = 0;
  friend bool operator==(const Error&, const Error&) = default;
};

template <class T>
using result = std::expected<T, Error>;

inline std::unexpected<Error> fail(Errc code, int system_errno = 0) {
  return std::unexpected(Error{code, system_errno});
}

// Maps a positive errno to the error that callers act on.
Error error_from_errno(int system_errno);

// Short lower-case words for log lines, e.g. "connection refused".
std::string_view describe(Errc code);

}  // namespace mailroot
