// The awaitable operations of Reactor: each fills in an Operation.
#include <utility>

#include "mailroot/reactor/reactor.h"

namespace mailroot::reactor {

namespace {

Operation on_descriptor(Opcode opcode, Descriptor descriptor) {
  Operation operation;
  operation.opcode = opcode;
  operation.descriptor = descriptor;
  return operation;
}

Operation with_buffers(Opcode opcode, Descriptor descriptor, std::span<const iovec> buffers,
                       uint64_t offset) {
  Operation operation = on_descriptor(opcode, descriptor);
  operation.buffers = buffers;
  operation.offset = offset;
  return operation;
}

}  // namespace

SleepCall Reactor::sleep_until(Instant when, Wait wait) { return SleepCall(*this, when, wait); }

ConnectCall Reactor::connect(SocketAddress peer, const SocketAddress* local, Wait wait) {
  return ConnectCall(*this, peer, local, wait);
}

Call<result<void>> Reactor::send(Descriptor socket, std::span<const iovec> buffers, Wait wait) {
  return {*this, with_buffers(Opcode::send, socket, buffers, 0), wait};
}

Call<result<uint32_t>> Reactor::poll(Descriptor descriptor, uint32_t events, Wait wait) {
  Operation operation = on_descriptor(Opcode::poll, descriptor);
  operation.flags = events;
  return {*this, operation, wait};
}

Call<void> Reactor::shut_down(Descriptor socket) {
  return {*this, on_descriptor(Opcode::shut_down, socket), Wait{}};
}

Call<void> Reactor::close_now(Descriptor descriptor) {
  return {*this, on_descriptor(Opcode::close, descriptor), Wait{}};
}

PathCall<result<Descriptor>> Reactor::open_at(Descriptor directory, std::string path,
                                              uint32_t flags, uint32_t mode) {
  Operation operation = on_descriptor(Opcode::open_at, directory);
  operation.flags = flags;
  operation.mode = mode;
  return {*this, operation, std::move(path)};
}

Call<result<size_t>> Reactor::read_at(Descriptor file, std::span<const iovec> buffers,
                                      uint64_t offset) {
  return {*this, with_buffers(Opcode::read_at, file, buffers, offset), Wait{}};
}

Call<result<void>> Reactor::write_at(Descriptor file, std::span<const iovec> buffers,
                                     uint64_t offset) {
  return {*this, with_buffers(Opcode::write_at, file, buffers, offset), Wait{}};
}

Call<result<void>> Reactor::sync(Descriptor file, SyncKind kind) {
  Operation operation = on_descriptor(Opcode::sync, file);
  operation.flags = static_cast<uint32_t>(kind);
  return {*this, operation, Wait{}};
}

PathCall<result<void>> Reactor::rename_at(Descriptor from_directory, std::string from,
                                          Descriptor to_directory, std::string to, uint32_t flags) {
  Operation operation = on_descriptor(Opcode::rename_at, from_directory);
  operation.descriptor2 = to_directory;
  operation.flags = flags;
  return {*this, operation, std::move(from), std::move(to)};
}

PathCall<result<void>> Reactor::unlink_at(Descriptor directory, std::string path, uint32_t flags) {
  Operation operation = on_descriptor(Opcode::unlink_at, directory);
  operation.flags = flags;
  return {*this, operation, std::move(path)};
}

PathCall<result<void>> Reactor::make_directory_at(Descriptor directory, std::string path,
                                                  uint32_t mode) {
  Operation operation = on_descriptor(Opcode::make_directory_at, directory);
  operation.mode = mode;
  return {*this, operation, std::move(path)};
}

OutputCall<FileStatus> Reactor::stat_at(Descriptor directory, std::string path) {
  return {*this, on_descriptor(Opcode::stat_at, directory), std::move(path)};
}

OutputCall<std::vector<DirectoryEntry>> Reactor::list_directory(Descriptor directory) {
  return {*this, on_descriptor(Opcode::list_directory, directory)};
}

Call<result<void>> Reactor::truncate(Descriptor file, uint64_t length_bytes) {
  Operation operation = on_descriptor(Opcode::truncate, file);
  operation.length = length_bytes;
  return {*this, operation, Wait{}};
}

Call<result<void>> Reactor::allocate(Descriptor file, uint64_t offset, uint64_t length_bytes) {
  Operation operation = on_descriptor(Opcode::allocate, file);
  operation.offset = offset;
  operation.length = length_bytes;
  return {*this, operation, Wait{}};
}

OutputCall<FileSystemStatus> Reactor::file_system_status(Descriptor directory) {
  return {*this, on_descriptor(Opcode::file_system_status, directory)};
}

Call<result<void>> Reactor::lock(Descriptor file) {
  return {*this, on_descriptor(Opcode::lock, file), Wait{}};
}

OutputCall<DirectoryPage> Reactor::list_page(Descriptor directory) {
  return {*this, on_descriptor(Opcode::list_page, directory)};
}

Call<result<void>> Reactor::set_access(Descriptor file, uint32_t group, uint32_t mode) {
  Operation operation = on_descriptor(Opcode::set_access, file);
  operation.flags = group;
  operation.mode = mode;
  return {*this, operation, Wait{}};
}

}  // namespace mailroot::reactor
