// What each opcode puts into its submission entry.
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>

#include "limits.h"
#include "uring_backend.h"

namespace mailroot::reactor {

void UringBackend::prepare(io_uring_sqe* entry, Slot& slot) {
  Operation& operation = *slot.operation;
  switch (operation.opcode) {
    case Opcode::accept:
      return io_uring_prep_multishot_accept(entry, operation.descriptor, nullptr, nullptr,
                                            SOCK_CLOEXEC);
    case Opcode::receive:
      io_uring_prep_recv_multishot(entry, operation.descriptor, nullptr, 0, 0);
      entry->flags |= IOSQE_BUFFER_SELECT;
      entry->buf_group = kBufferGroup;
      return;
    case Opcode::connect: {
      auto* storage = reinterpret_cast<sockaddr*>(&slot.scratch.address);
      const uint32_t length = operation.address->to_sockaddr(storage);
      return io_uring_prep_connect(entry, slot.socket, storage, length);
    }
    case Opcode::poll:
      return io_uring_prep_poll_add(entry, operation.descriptor, operation.flags);
    case Opcode::close:
      return io_uring_prep_close(entry, operation.descriptor);
    case Opcode::send:
    case Opcode::read_at:
    case Opcode::write_at:
      return prepare_transfer(entry, slot);
    case Opcode::sync:
      return io_uring_prep_fsync(
          entry, operation.descriptor,
          operation.flags == static_cast<uint32_t>(SyncKind::data) ? IORING_FSYNC_DATASYNC : 0);
    case Opcode::allocate:
      return io_uring_prep_fallocate(entry, operation.descriptor, 0,
                                     static_cast<off_t>(operation.offset),
                                     static_cast<off_t>(operation.length));
    default:
      return prepare_path(entry, slot);
  }
}

void UringBackend::prepare_transfer(io_uring_sqe* entry, Slot& slot) {
  const Operation& operation = *slot.operation;
  const std::span<const iovec> buffers =
      slot.done_bytes == 0 ? operation.buffers : std::span<const iovec>(slot.rest);
  const auto count = static_cast<unsigned>(std::min<size_t>(buffers.size(), kIovecsPerCall));
  const uint64_t offset = operation.offset + slot.done_bytes;
  switch (operation.opcode) {
    case Opcode::read_at:
      return io_uring_prep_readv(entry, operation.descriptor, buffers.data(), count, offset);
    case Opcode::write_at:
      return io_uring_prep_writev(entry, operation.descriptor, buffers.data(), count, offset);
    default:
      if (count == 1) {
        // A header less to copy: the usual reply is one part.
        return io_uring_prep_send(entry, operation.descriptor, buffers[0].iov_base,
                                  buffers[0].iov_len, MSG_WAITALL | MSG_NOSIGNAL);
      }
      slot.scratch.message = {};
      slot.scratch.message.msg_iov = const_cast<iovec*>(buffers.data());
      slot.scratch.message.msg_iovlen = count;
      // WAITALL: the kernel itself goes on after a short count (5.19).
      return io_uring_prep_sendmsg(entry, operation.descriptor, &slot.scratch.message,
                                   MSG_WAITALL | MSG_NOSIGNAL);
  }
}

void UringBackend::prepare_path(io_uring_sqe* entry, Slot& slot) {
  const Operation& operation = *slot.operation;
  switch (operation.opcode) {
    case Opcode::open_at: {
      open_how& how = slot.scratch.how;
      how = {};
      how.flags = operation.flags | O_CLOEXEC | O_NOFOLLOW;
      // openat2 refuses a mode that nothing would use.
      const bool creates =
          (operation.flags & O_CREAT) != 0 || (operation.flags & O_TMPFILE) == O_TMPFILE;
      how.mode = creates ? operation.mode & 07777U : 0;
      return io_uring_prep_openat2(entry, operation.descriptor, operation.path, &how);
    }
    case Opcode::rename_at:
      return io_uring_prep_renameat(entry, operation.descriptor, operation.path,
                                    operation.descriptor2, operation.path2, operation.flags);
    case Opcode::unlink_at:
      return io_uring_prep_unlinkat(entry, operation.descriptor, operation.path,
                                    static_cast<int>(operation.flags));
    case Opcode::make_directory_at:
      return io_uring_prep_mkdirat(entry, operation.descriptor, operation.path, operation.mode);
    default:
      MAILROOT_ASSERT(operation.opcode == Opcode::stat_at, "every opcode has its entry");
      return io_uring_prep_statx(entry, operation.descriptor, operation.path,
                                 AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW,
                                 STATX_BASIC_STATS | STATX_DIOALIGN, &slot.scratch.status);
  }
}

}  // namespace mailroot::reactor
