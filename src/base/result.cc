#include "mailroot/base/result.h"

#include <cerrno>

namespace mailroot {

namespace {

Errc code_of(int system_errno) {
  switch (system_errno) {
    case ECANCELED:
      return Errc::cancelled;
    case ETIMEDOUT:
      return Errc::timed_out;
    case ECONNRESET:
    case EPIPE:
    case ENOTCONN:
    case ECONNABORTED:
      return Errc::reset;
    case ECONNREFUSED:
      return Errc::refused;
    case EHOSTUNREACH:
    case ENETUNREACH:
    case EHOSTDOWN:
    case ENETDOWN:
      return Errc::unreachable;
    case EADDRINUSE:
      return Errc::address_in_use;
    case EADDRNOTAVAIL:
      return Errc::address_missing;
    case ENOSPC:
    case EDQUOT:
      return Errc::no_space;
    case EROFS:
      return Errc::read_only;
    case ENOENT:
      return Errc::not_found;
    case EEXIST:
    case ENOTEMPTY:
      return Errc::exists;
    case EACCES:
    case EPERM:
      return Errc::permission;
    case EMFILE:
    case ENFILE:
      return Errc::too_many_files;
    case ENOMEM:
    case ENOBUFS:
      return Errc::no_memory;
    case EINVAL:
    case EBADF:
    case ENOTDIR:
    case EISDIR:
    case ELOOP:
      return Errc::invalid;
    case ENOSYS:
    case EOPNOTSUPP:
    case EAFNOSUPPORT:
      return Errc::unsupported;
    case EBUSY:
    case EAGAIN:
      return Errc::busy;
    default:
      return Errc::io;
  }
}

}  // namespace

Error error_from_errno(int system_errno) { return {code_of(system_errno), system_errno}; }

std::string_view describe(Errc code) {
  switch (code) {
    case Errc::cancelled:
      return "cancelled";
    case Errc::timed_out:
      return "timed out";
    case Errc::end_of_stream:
      return "closed by the peer";
    case Errc::reset:
      return "connection lost";
    case Errc::refused:
      return "connection refused";
    case Errc::unreachable:
      return "no route to host";
    case Errc::address_in_use:
      return "address in use";
    case Errc::address_missing:
      return "address not on this machine";
    case Errc::no_space:
      return "no space left";
    case Errc::io:
      return "input/output error";
    case Errc::read_only:
      return "read-only file system";
    case Errc::not_found:
      return "not found";
    case Errc::exists:
      return "already there";
    case Errc::permission:
      return "permission denied";
    case Errc::too_many_files:
      return "too many open files";
    case Errc::no_memory:
      return "out of memory";
    case Errc::limit:
      return "limit reached";
    case Errc::corrupt:
      return "damaged data";
    case Errc::invalid:
      return "invalid argument";
    case Errc::unsupported:
      return "not supported here";
    case Errc::busy:
      return "in use";
  }
  return "unknown error";
}

}  // namespace mailroot
