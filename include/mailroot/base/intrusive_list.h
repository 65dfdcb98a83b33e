// A doubly linked list whose links live in the elements: O(1) removal, no allocation.
#pragma once

#include "mailroot/base/assert.h"

namespace mailroot {

// Base of what can stand in a list. Leaves its list when it dies.
class ListHook {
 public:
  ListHook() = default;
  ListHook(const ListHook&) = delete;
  ListHook& operator=(const ListHook&) = delete;
  ~ListHook() { unlink(); }
  bool is_linked() const { return next_ != nullptr; }
  void unlink() {
    if (next_ == nullptr) return;
    next_->previous_ = previous_;
    previous_->next_ = next_;
    next_ = previous_ = nullptr;
  }

 private:
  template <class T>
  friend class IntrusiveList;
  ListHook* next_ = nullptr;
  ListHook* previous_ = nullptr;
};

// T derives from ListHook. The list does not own its elements.
template <class T>
class IntrusiveList {
 public:
  IntrusiveList() { head_.next_ = head_.previous_ = &head_; }
  ~IntrusiveList() {
    // By hooks alone: T may be incomplete where a list is only destroyed.
    while (!empty()) head_.next_->unlink();
    head_.next_ = head_.previous_ = nullptr;
  }
  bool empty() const { return head_.next_ == &head_; }
  void push_back(T& element) {
    ListHook& hook = element;
    MAILROOT_ASSERT(!hook.is_linked(), "an element stands in one list at a time");
    hook.previous_ = head_.previous_;
    hook.next_ = &head_;
    head_.previous_->next_ = &hook;
    head_.previous_ = &hook;
  }
  T& front() { return static_cast<T&>(*head_.next_); }
  T& pop_front() {
    MAILROOT_ASSERT(!empty(), "pop from an empty list");
    T& element = front();
    static_cast<ListHook&>(element).unlink();
    return element;
  }

 private:
  ListHook head_;
};

}  // namespace mailroot
