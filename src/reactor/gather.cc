#include "gather.h"

#include <algorithm>

#include "mailroot/base/assert.h"

namespace mailroot::reactor {

void GatherCursor::skip_empty() {
  while (index_ < buffers_.size() && offset_ == buffers_[index_].iov_len) {
    ++index_;
    offset_ = 0;
  }
}

size_t GatherCursor::fill(std::span<iovec> into) const {
  const size_t count = std::min(into.size(), buffers_.size() - index_);
  std::copy_n(buffers_.begin() + static_cast<ptrdiff_t>(index_), count, into.begin());
  if (count != 0) {
    into[0].iov_base = static_cast<std::byte*>(into[0].iov_base) + offset_;
    into[0].iov_len -= offset_;
  }
  return count;
}

void GatherCursor::advance(size_t bytes) {
  done_bytes_ += bytes;
  while (bytes != 0) {
    MAILROOT_ASSERT(!at_end(), "more bytes than the buffers hold");
    const size_t step = std::min(bytes, buffers_[index_].iov_len - offset_);
    offset_ += step;
    bytes -= step;
    skip_empty();
  }
}

}  // namespace mailroot::reactor
