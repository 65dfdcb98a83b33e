// A few threads that run file operations which would block the shard. Each backend has its own; a
// thread starts when there is work and none is free, up to the maximum, and stays.
//
// Writes go first, and one thread takes nothing else: somebody's 250 waits for a journal write,
// which must not stand behind directory scans and syncs of files.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "mailroot/reactor/operation.h"

namespace mailroot::reactor {

class FileWorkers {
 public:
  // `wake` is called from a worker when collect() has something after having had nothing.
  FileWorkers(size_t threads_max, std::function<void()> wake);
  // Runs what is queued, so that no close is lost; its completions are dropped.
  ~FileWorkers();
  FileWorkers(const FileWorkers&) = delete;
  FileWorkers& operator=(const FileWorkers&) = delete;

  // Owner's thread only, all three.
  void submit(Operation& operation);
  // An operation that has not begun completes with -ECANCELED, the others as if not asked.
  void cancel(Operation& operation);
  void collect(std::vector<Completion>& ready);

 private:
  void work();
  void start_thread();
  void finish(Operation& operation, int32_t outcome);
  bool is_write(const Operation& operation) const;
  bool may_take() const;
  Operation& take();

  const size_t threads_max_;
  const std::function<void()> wake_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Operation*> writes_;
  std::deque<Operation*> others_;
  size_t others_running_ = 0;
  std::vector<Completion> finished_;
  std::atomic<bool> has_finished_ = false;
  size_t idle_threads_ = 0;
  bool ending_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace mailroot::reactor
