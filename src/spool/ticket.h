// What asks for a place in a journal group, and the group it gets. Private to spool/.
#pragma once

#include <sys/uio.h>

#include <coroutine>
#include <cstdint>
#include <vector>

#include "journal_format.h"
#include "mailroot/base/intrusive_list.h"
#include "mailroot/base/slab_pool.h"
#include "segment.h"

namespace mailroot::spool {

// Gathers the records and bodies of one group up to its limits. Bodies are not copied: they stay
// alive and unchanged until the group's write has ended.
class GroupBuilder {
 public:
  void begin(uint64_t blocks_max);
  // All return false, adding nothing, when the group is full.
  [[nodiscard]] bool add_accept(const MessageHead& head, const SlabChain& body);
  template <class R>
  [[nodiscard]] bool add(const R& record) {
    const Mark before = mark();
    if (head_.add(record) && fits()) return true;
    roll_back(before);
    return false;
  }
  struct Mark {
    size_t head = 0, pieces = 0;
    uint32_t body_blocks = 0;
  };
  Mark mark() const { return {head_.mark(), pieces_.size(), body_blocks_}; }
  void roll_back(const Mark& mark);
  bool empty() const { return head_.records_bytes() == 0; }
  uint64_t blocks() const { return head_.head_blocks() + body_blocks_; }
  uint32_t head_blocks() const { return static_cast<uint32_t>(head_.head_blocks()); }
  const std::vector<iovec>& seal(const GroupHeader& header);

 private:
  bool fits() const;

  HeadBuilder head_;
  std::vector<iovec> pieces_;  // the first is the head
  uint32_t body_blocks_ = 0;
  uint64_t blocks_max_ = 0;
};

// Where in its segment a group stands.
struct GroupPlace {
  uint32_t first_block = 0;
  uint32_t head_blocks = 0;
};

// One request. Lives in the frame of the coroutine that waits for it.
class Ticket : public ListHook {
 public:
  // Mail nobody has been promised: refused after a failure, kept out of the reserve that outcomes
  // need on a full disk. Others are written again into another segment.
  explicit Ticket(bool is_new_mail) : is_new_mail_(is_new_mail) {}
  virtual ~Ticket() = default;
  Ticket(const Ticket&) = delete;
  Ticket& operator=(const Ticket&) = delete;

  // Adds all its records, or returns false (the builder is rolled back by the caller).
  virtual bool encode(GroupBuilder& builder) = 0;
  // Its group is durable in `segment`; pins it as long as needed. Runs before the waiter does.
  virtual void made_durable(Segment& segment, const GroupPlace& place) = 0;

  bool is_new_mail() const { return is_new_mail_; }
  // Who waits for it comes again after `refused`.
  virtual bool is_asked_again() const { return is_new_mail_; }
  CommitResult outcome() const { return outcome_; }

 private:
  friend class Journal;
  bool is_new_mail_;
  CommitResult outcome_ = CommitResult::unknown;
  std::coroutine_handle<> waiter_;
};

}  // namespace mailroot::spool
