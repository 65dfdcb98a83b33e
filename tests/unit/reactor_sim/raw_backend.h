// Drives a Backend without a Reactor: submit, then collect until an operation has ended.
#pragma once

#include <poll.h>

#include <cerrno>
#include <chrono>
#include <string>
#include <vector>

#include "doctest/doctest.h"
#include "mailroot/reactor/backend.h"

namespace mailroot::reactor {

class RawBackend {
 public:
  explicit RawBackend(Backend& backend) : backend_(backend) {}
  Backend& operator*() { return backend_; }
  Backend* operator->() { return &backend_; }

  // Waits until a completion of `operation` is there and takes it.
  Completion next(const Operation& operation) {
    for (int turn = 0; turn < 2000; ++turn) {
      for (size_t i = 0; i < ready_.size(); ++i) {
        if (ready_[i].operation != &operation) continue;
        const Completion found = ready_[i];
        ready_.erase(ready_.begin() + static_cast<ptrdiff_t>(i));
        return found;
      }
      turn_once();
    }
    FAIL("no completion came");
    return {};
  }
  int32_t run(Operation& operation) {
    backend_.submit(operation);
    const Completion completion = next(operation);
    CHECK_FALSE(completion.more);
    return completion.result;
  }
  // Calls off what is in flight: an operation outlives its last completion.
  void stop(Operation& operation) {
    backend_.cancel(operation);
    CHECK(next(operation).result == -ECANCELED);
  }
  void turn_once() { backend_.wait(backend_.now() + std::chrono::milliseconds(10), ready_); }
  bool has(const Operation& operation) const {
    for (const Completion& completion : ready_) {
      if (completion.operation == &operation) return true;
    }
    return false;
  }

  // The calls tests use most.
  int32_t open(Descriptor directory, const char* path, uint32_t flags, uint32_t mode = 0600) {
    Operation operation;
    operation.opcode = Opcode::open_at;
    operation.descriptor = directory;
    operation.path = path;
    operation.flags = flags;
    operation.mode = mode;
    return run(operation);
  }
  int32_t close(Descriptor descriptor) {
    Operation operation;
    operation.opcode = Opcode::close;
    operation.descriptor = descriptor;
    return run(operation);
  }
  int32_t write(Descriptor file, std::string_view text, uint64_t offset) {
    const iovec piece{const_cast<char*>(text.data()), text.size()};
    Operation operation;
    operation.opcode = Opcode::write_at;
    operation.descriptor = file;
    operation.buffers = {&piece, 1};
    operation.offset = offset;
    return run(operation);
  }
  int32_t read(Descriptor file, std::string& out, size_t size_bytes, uint64_t offset) {
    out.assign(size_bytes, '\0');
    const iovec piece{out.data(), out.size()};
    Operation operation;
    operation.opcode = Opcode::read_at;
    operation.descriptor = file;
    operation.buffers = {&piece, 1};
    operation.offset = offset;
    const int32_t result = run(operation);
    out.resize(result > 0 ? static_cast<size_t>(result) : 0);
    return result;
  }
  int32_t sync(Descriptor file, SyncKind kind = SyncKind::data) {
    Operation operation;
    operation.opcode = Opcode::sync;
    operation.descriptor = file;
    operation.flags = static_cast<uint32_t>(kind);
    return run(operation);
  }
  int32_t rename(Descriptor directory, const char* from, const char* to, uint32_t flags = 0) {
    Operation operation;
    operation.opcode = Opcode::rename_at;
    operation.descriptor = directory;
    operation.descriptor2 = directory;
    operation.path = from;
    operation.path2 = to;
    operation.flags = flags;
    return run(operation);
  }
  int32_t unlink(Descriptor directory, const char* path, uint32_t flags = 0) {
    Operation operation;
    operation.opcode = Opcode::unlink_at;
    operation.descriptor = directory;
    operation.path = path;
    operation.flags = flags;
    return run(operation);
  }
  int32_t make_directory(Descriptor directory, const char* path) {
    Operation operation;
    operation.opcode = Opcode::make_directory_at;
    operation.descriptor = directory;
    operation.path = path;
    operation.mode = 0700;
    return run(operation);
  }
  int32_t stat(Descriptor directory, const char* path, FileStatus& out) {
    Operation operation;
    operation.opcode = Opcode::stat_at;
    operation.descriptor = directory;
    operation.path = path;
    operation.output = &out;
    return run(operation);
  }
  int32_t simple(Opcode opcode, Descriptor descriptor, uint64_t length = 0,
                 void* output = nullptr) {
    Operation operation;
    operation.opcode = opcode;
    operation.descriptor = descriptor;
    operation.length = length;
    operation.output = output;
    return run(operation);
  }
  int32_t send(Descriptor socket, std::string_view text) {
    const iovec piece{const_cast<char*>(text.data()), text.size()};
    Operation operation;
    operation.opcode = Opcode::send;
    operation.descriptor = socket;
    operation.buffers = {&piece, 1};
    return run(operation);
  }

 private:
  Backend& backend_;
  std::vector<Completion> ready_;
};

// A connected pair of sockets through a listener on loopback; `accept` stays armed.
struct ConnectedPair {
  explicit ConnectedPair(RawBackend& raw) {
    const result<Descriptor> bound =
        raw->bind_socket({IpAddress::v4(0x7F000001), 0}, ListenOptions{});
    REQUIRE(bound.has_value());
    listener = *bound;
    REQUIRE(raw->listen(listener, 16).has_value());
    address = raw->local_address(listener).value();
    accept.opcode = Opcode::accept;
    accept.descriptor = listener;
    raw->submit(accept);
    Operation connect;
    connect.opcode = Opcode::connect;
    connect.address = &address;
    client = raw.run(connect);
    REQUIRE(client >= 0);
    const Completion accepted = raw.next(accept);
    REQUIRE(accepted.result >= 0);
    CHECK(accepted.more);
    server = accepted.result;
  }
  void close(RawBackend& raw) {
    raw->cancel(accept);
    CHECK(raw.next(accept).result == -ECANCELED);
    raw.close(client);
    raw.close(server);
    raw.close(listener);
  }

  Descriptor listener = kNoDescriptor;
  Descriptor client = kNoDescriptor;
  Descriptor server = kNoDescriptor;
  SocketAddress address;
  Operation accept;
};

}  // namespace mailroot::reactor
