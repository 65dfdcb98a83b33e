#include "file_workers.h"

#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <system_error>

#include "file_operation.h"
#include "mailroot/base/assert.h"

namespace mailroot::reactor {

namespace {

// Threads inherit the mask: signals are the control thread's.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &previous_);
  }
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &previous_, nullptr); }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  sigset_t previous_;
};

}  // namespace

FileWorkers::FileWorkers(size_t threads_max, std::function<void()> wake)
    : threads_max_(threads_max), wake_(std::move(wake)) {
  MAILROOT_ASSERT(threads_max > 0, "file operations need a thread");
}

FileWorkers::~FileWorkers() {
  {
    const std::lock_guard guard(mutex_);
    ending_ = true;
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void FileWorkers::submit(Operation& operation) {
  bool needs_thread = false;
  {
    const std::lock_guard guard(mutex_);
    (is_write(operation) ? writes_ : others_).push_back(&operation);
    needs_thread = writes_.size() + others_.size() > idle_threads_;
  }
  if (needs_thread && threads_.size() < threads_max_) start_thread();
  changed_.notify_one();
}

void FileWorkers::start_thread() {
  const SignalsBlocked blocked;
  try {
    threads_.emplace_back([this] { work(); });
  } catch (const std::system_error&) {
    if (!threads_.empty()) return;
    // No thread at all can be had: block the shard rather than lose the operation.
    Operation* operation = nullptr;
    {
      const std::lock_guard guard(mutex_);
      std::deque<Operation*>& queued = writes_.empty() ? others_ : writes_;
      operation = queued.back();
      queued.pop_back();
    }
    finish(*operation, run_file_operation(*operation));
  }
}

void FileWorkers::finish(Operation& operation, int32_t outcome) {
  bool is_first = false;
  {
    const std::lock_guard guard(mutex_);
    is_first = finished_.empty();
    finished_.push_back(Completion{&operation, outcome, false, -1});
    has_finished_.store(true, std::memory_order_release);
  }
  if (is_first) wake_();
}

void FileWorkers::cancel(Operation& operation) {
  {
    const std::lock_guard guard(mutex_);
    std::deque<Operation*>& queued = is_write(operation) ? writes_ : others_;
    const auto found = std::find(queued.begin(), queued.end(), &operation);
    if (found == queued.end()) return;
    queued.erase(found);
  }
  finish(operation, -ECANCELED);
}

void FileWorkers::collect(std::vector<Completion>& ready) {
  if (!has_finished_.load(std::memory_order_acquire)) return;
  const std::lock_guard guard(mutex_);
  ready.insert(ready.end(), finished_.begin(), finished_.end());
  finished_.clear();
  has_finished_.store(false, std::memory_order_relaxed);
}

bool FileWorkers::is_write(const Operation& operation) const {
  return operation.opcode == Opcode::write_at;
}

bool FileWorkers::may_take() const {
  if (!writes_.empty()) return true;
  return !others_.empty() && others_running_ < std::max<size_t>(threads_max_ - 1, 1);
}

Operation& FileWorkers::take() {
  const bool writes = !writes_.empty();
  std::deque<Operation*>& from = writes ? writes_ : others_;
  Operation& operation = *from.front();
  from.pop_front();
  if (!writes) ++others_running_;
  return operation;
}

void FileWorkers::work() {
  pthread_setname_np(pthread_self(), "mailroot-file");
  std::unique_lock lock(mutex_);
  while (true) {
    ++idle_threads_;
    changed_.wait(lock, [this] { return ending_ || may_take(); });
    --idle_threads_;
    // At the end, whoever runs one of the others takes the rest of them.
    if (!may_take()) return;
    Operation& operation = take();
    const bool writes = is_write(operation);
    lock.unlock();
    finish(operation, run_file_operation(operation));
    lock.lock();
    if (!writes) --others_running_;
  }
}

}  // namespace mailroot::reactor
