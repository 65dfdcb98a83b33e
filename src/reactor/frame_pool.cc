// Frames of coroutines are allocated and freed once per call, always on one thread: free lists by
// size class, no lock. Sanitised builds go to malloc each time, so that a use after free is seen.
#include <array>
#include <cstddef>
#include <new>

#include "mailroot/reactor/task.h"

namespace mailroot::reactor {

namespace {

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define MAILROOT_FRAMES_FROM_MALLOC 1
#endif
#endif

#ifndef MAILROOT_FRAMES_FROM_MALLOC

constexpr size_t kClassBytes = 64;
constexpr size_t kClasses = 32;    // frames up to 2 KiB
constexpr size_t kFreeMax = 4096;  // per class; above it frames go back to malloc

struct FreeFrame {
  FreeFrame* next;
};

struct FreeList {
  FreeFrame* first;
  size_t count;
};

// Trivial, so that the hot path has no guard and the lists may be used while a thread ends.
constinit thread_local std::array<FreeList, kClasses> free_lists{};
constinit thread_local bool thread_ended = false;

// Touched when a frame first goes to a free list; gives the frames back when the thread ends.
struct Drain {
  bool touched = false;
  ~Drain() {
    thread_ended = true;
    for (FreeList& list : free_lists) {
      while (list.first != nullptr) {
        FreeFrame* frame = list.first;
        list.first = frame->next;
        ::operator delete(frame);
      }
    }
  }
};
thread_local Drain drain;

#endif

}  // namespace

#ifdef MAILROOT_FRAMES_FROM_MALLOC

void* allocate_frame(size_t size_bytes) { return ::operator new(size_bytes); }

void release_frame(void* frame, size_t size_bytes) noexcept {
  ::operator delete(frame, size_bytes);
}

#else

void* allocate_frame(size_t size_bytes) {
  const size_t index = (size_bytes + kClassBytes - 1) / kClassBytes;
  if (index >= kClasses) return ::operator new(size_bytes);
  FreeList& list = free_lists[index];
  if (list.first == nullptr) return ::operator new(index * kClassBytes);
  FreeFrame* frame = list.first;
  list.first = frame->next;
  --list.count;
  return frame;
}

void release_frame(void* frame, size_t size_bytes) noexcept {
  const size_t index = (size_bytes + kClassBytes - 1) / kClassBytes;
  if (index >= kClasses || thread_ended) {
    ::operator delete(frame);
    return;
  }
  FreeList& list = free_lists[index];
  if (list.count >= kFreeMax) {
    ::operator delete(frame);
    return;
  }
  if (list.first == nullptr) drain.touched = true;
  list.first = new (frame) FreeFrame{list.first};
  ++list.count;
}

#endif

}  // namespace mailroot::reactor
