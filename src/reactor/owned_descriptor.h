// A descriptor of our own that closes itself.
#pragma once

#include <unistd.h>

#include <utility>

#include "mailroot/reactor/operation.h"

namespace mailroot::reactor {

class OwnedDescriptor {
 public:
  OwnedDescriptor() = default;
  explicit OwnedDescriptor(Descriptor descriptor) : descriptor_(descriptor) {}
  OwnedDescriptor(OwnedDescriptor&& other) noexcept
      : descriptor_(std::exchange(other.descriptor_, kNoDescriptor)) {}
  OwnedDescriptor& operator=(OwnedDescriptor&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    return *this;
  }
  ~OwnedDescriptor() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  Descriptor get() const { return descriptor_; }

 private:
  Descriptor descriptor_ = kNoDescriptor;
};

}  // namespace mailroot::reactor
