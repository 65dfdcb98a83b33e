// Walks a list of buffers as calls take less than all of it.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <span>

namespace mailroot::reactor {

class GatherCursor {
 public:
  GatherCursor() = default;
  explicit GatherCursor(std::span<const iovec> buffers) : buffers_(buffers) { skip_empty(); }

  bool at_end() const { return index_ == buffers_.size(); }
  // Fills `into` with what comes next; returns how many entries.
  size_t fill(std::span<iovec> into) const;
  void advance(size_t bytes);
  uint64_t done_bytes() const { return done_bytes_; }

 private:
  void skip_empty();
  std::span<const iovec> buffers_;
  size_t index_ = 0;
  size_t offset_ = 0;  // within buffers_[index_]
  uint64_t done_bytes_ = 0;
};

}  // namespace mailroot::reactor
