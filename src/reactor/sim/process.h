// A simulated process: its descriptors, and whether it still lives.
#pragma once

#include <cerrno>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "disk.h"
#include "mailroot/base/assert.h"
#include "mailroot/reactor/operation.h"

namespace mailroot::reactor::sim {

struct Socket;

// What a descriptor stands for: a file or directory (inode), or a socket.
struct Handle {
  InodeId inode = kNoInode;
  uint32_t flags = 0;  // of open_at
  int lock_id = -1;    // names this opening in Inode::lock_owner
  std::shared_ptr<Socket> socket;
  std::string listed_to{};  // of a directory: where list_page goes on
  bool is_open() const { return inode != kNoInode || socket != nullptr; }
};

class Process {
 public:
  Process(bool outside, uint32_t descriptors_max)
      : is_outside(outside), descriptors_max_(descriptors_max) {}

  // The lowest free number, as a kernel gives them: a use after close meets another file.
  Descriptor add(Handle handle) {
    for (size_t i = 0; i < handles_.size(); ++i) {
      if (handles_[i].is_open()) continue;
      handles_[i] = std::move(handle);
      return static_cast<Descriptor>(i) + kFirstDescriptor;
    }
    if (handles_.size() >= descriptors_max_) return -EMFILE;
    handles_.push_back(std::move(handle));
    return static_cast<Descriptor>(handles_.size() - 1) + kFirstDescriptor;
  }
  bool has_room() const { return open_count() < descriptors_max_; }
  Handle* find(Descriptor descriptor) {
    const auto index = static_cast<size_t>(descriptor - kFirstDescriptor);
    if (descriptor < kFirstDescriptor || index >= handles_.size()) return nullptr;
    return handles_[index].is_open() ? &handles_[index] : nullptr;
  }
  size_t open_count() const {
    size_t count = 0;
    for (const Handle& handle : handles_) count += handle.is_open() ? 1 : 0;
    return count;
  }
  std::vector<Handle>& handles() { return handles_; }

  const bool is_outside;
  bool is_alive = true;

 private:
  static constexpr Descriptor kFirstDescriptor = 3;
  uint32_t descriptors_max_;
  std::vector<Handle> handles_;
};

}  // namespace mailroot::reactor::sim
