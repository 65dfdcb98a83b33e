// Backend over one io_uring. submit() fills submission entries; wait() enters the kernel at most
// once, with everything queued since the last time, and translates what came back.
//
//   submit -> [queued] -> kernel -> finished -> Completion
//                           |  ^
//                 (ENOBUFS) v  | a buffer came back
//                          starved
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "../file_workers.h"
#include "../name_events.h"
#include "../socket_calls.h"
#include "buffer_ring.h"
#include "mailroot/reactor/backend.h"
#include "ring.h"
#include "slot_table.h"

namespace mailroot::reactor {

class UringBackend final : public Backend {
 public:
  // Buffers are declared before the ring: the kernel lets go of them when the ring closes.
  explicit UringBackend(const BackendOptions& options);
  ~UringBackend() override;
  result<void> start(std::string& why);

  void submit(Operation& operation) override;
  void cancel(Operation& operation) override;
  void wait(Instant until, std::vector<Completion>& ready) override;
  void wake() override;
  Instant now() const override { return now_; }
  WallTime wall_now() const override { return wall_clock_now(); }
  uint64_t random() override { return random_.next(); }
  MutableBytes buffer(int32_t index) override { return buffers_.unit(index); }
  void release_buffer(int32_t index) override { buffers_.release(index); }
  result<Descriptor> bind_socket(const SocketAddress& address,
                                 const ListenOptions& options) override;
  result<void> listen(Descriptor socket, int backlog) override {
    return listen_on(socket, backlog);
  }
  result<SocketAddress> local_address(Descriptor socket) override {
    return local_address_of(socket);
  }
  result<SocketAddress> peer_address(Descriptor socket) override { return peer_address_of(socket); }
  void set_no_delay(Descriptor socket) override { set_no_delay_on(socket); }
  result<Descriptor> make_name_watch() override { return open_inotify(); }
  result<int> watch_directory(Descriptor watch, Descriptor directory) override {
    return add_inotify_directory(watch, directory);
  }
  void unwatch_directory(Descriptor watch, int id) override { remove_inotify_directory(watch, id); }
  result<void> read_name_events(Descriptor watch, std::vector<WatchedName>& events) override {
    return read_inotify(watch, events);
  }
  std::string_view name() const override { return "io_uring"; }

 private:
  // submission: uring_backend.cc
  void start_operation(uint32_t index);
  void hand_to_kernel(uint32_t index);
  io_uring_sqe* next_entry();
  void arm_wake();
  void resume_waiting();
  void enter(Instant until);
  // what each opcode puts into its entry: prepare.cc
  void prepare(io_uring_sqe* entry, Slot& slot);
  void prepare_transfer(io_uring_sqe* entry, Slot& slot);
  void prepare_path(io_uring_sqe* entry, Slot& slot);
  int open_socket(Slot& slot);
  // what each completion means: complete.cc
  void reap(std::vector<Completion>& ready);
  void on_entry(uint32_t index, int32_t result, uint32_t flags, std::vector<Completion>& ready);
  void on_multishot(uint32_t index, int32_t result, uint32_t flags, std::vector<Completion>& ready);
  bool continue_transfer(uint32_t index, int32_t& result);
  void finish(uint32_t index, int32_t result, int32_t buffer, std::vector<Completion>& ready);
  void finish_locally(uint32_t index, int32_t result);
  void collect_helper_results(std::vector<Completion>& ready);

  BackendOptions options_;
  BufferRing buffers_;
  Ring ring_;
  SlotTable slots_;
  std::vector<uint32_t> queued_;           // no room in the submission queue
  std::deque<uint32_t> starved_;           // in order of arrival
  std::vector<Completion> finished_;       // without the kernel; reported by the next wait()
  std::vector<uint64_t> cancels_waiting_;  // by user data; no room in the submission queue
  Instant now_{};
  int wake_descriptor_ = -1;
  uint64_t wake_count_ = 0;
  bool wake_armed_ = false;
  bool closing_ = false;
  RandomSource random_;
  std::unique_ptr<FileWorkers> workers_;  // threads that wake us: end before the descriptor does
};

}  // namespace mailroot::reactor
