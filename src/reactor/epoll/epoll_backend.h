// The world through epoll: calls are tried first, what would block waits for an edge. The fallback
// where io_uring is not to be had. File operations go to helper threads.
#pragma once

#include <sys/epoll.h>

#include <array>
#include <deque>

#include "../file_workers.h"
#include "../gather.h"
#include "../name_events.h"
#include "../owned_descriptor.h"
#include "../receive_pool.h"
#include "../socket_calls.h"
#include "mailroot/reactor/backend.h"

namespace mailroot::reactor {

class EpollBackend final : public Backend {
 public:
  static result<std::unique_ptr<EpollBackend>> make(const BackendOptions& options);

  void submit(Operation& operation) override;
  void cancel(Operation& operation) override;
  void wait(Instant until, std::vector<Completion>& ready) override;
  void wake() override;
  Instant now() const override { return now_; }
  WallTime wall_now() const override { return wall_clock_now(); }
  uint64_t random() override { return random_.next(); }
  MutableBytes buffer(int32_t index) override { return pool_.unit(index); }
  void release_buffer(int32_t index) override { pool_.give_back(index); }
  result<Descriptor> bind_socket(const SocketAddress& address,
                                 const ListenOptions& options) override;
  result<void> listen(Descriptor socket, int backlog) override;
  result<SocketAddress> local_address(Descriptor socket) override;
  result<SocketAddress> peer_address(Descriptor socket) override;
  void set_no_delay(Descriptor socket) override { set_no_delay_on(socket); }
  result<Descriptor> make_name_watch() override { return open_inotify(); }
  result<int> watch_directory(Descriptor watch, Descriptor directory) override {
    return add_inotify_directory(watch, directory);
  }
  void unwatch_directory(Descriptor watch, int id) override { remove_inotify_directory(watch, id); }
  result<void> read_name_events(Descriptor watch, std::vector<WatchedName>& events) override {
    return read_inotify(watch, events);
  }
  std::string_view name() const override { return "epoll"; }

 private:
  // What the epoll instance knows about a descriptor. `poll` is registered only while a poll
  // operation waits, because its descriptor is closed by somebody else (libunbound).
  enum class Watched : uint8_t { no, for_poll, always };

  struct Entry {
    Operation* reading = nullptr;  // accept, receive, poll
    Operation* writing = nullptr;  // connect, send, poll
    GatherCursor cursor;           // of the send in `writing`
    uint32_t generation = 0;       // an event of an earlier owner of the number is not ours
    Watched watched = Watched::no;
    bool is_socket = false;  // closing it does not block
    bool readable = false;   // an edge was seen and not yet used up
    bool writable = true;
    bool hung_up = false;   // an end or an error follows the data
    bool listed = false;    // stands in to_visit_
    bool starving = false;  // stands in starving_
  };

  EpollBackend(const BackendOptions& options, OwnedDescriptor epoll, OwnedDescriptor wake);

  Entry& entry(Descriptor descriptor);
  void complete(Operation& operation, int32_t outcome);
  bool watch(Descriptor descriptor, Watched how);
  void forget(Descriptor descriptor);
  void unwatch(Descriptor descriptor);
  void visit_later(Descriptor descriptor);
  void visit(Descriptor descriptor);
  void visit_listed();
  void feed_starving();
  void on_event(const epoll_event& event);
  int timeout_ms(Instant until) const;

  // epoll_stream.cc
  void start_reading(Operation& operation);
  void start_send(Operation& operation);
  void start_connect(Operation& operation);
  void go_on_receiving(Descriptor descriptor);
  bool receive_once(Descriptor descriptor, size_t units_max);
  void go_on_accepting(Descriptor descriptor);
  void go_on_sending(Descriptor descriptor);
  void finish_connect(Descriptor descriptor);
  void close_inline_or_later(Operation& operation);

  // epoll_poll.cc
  void start_poll(Operation& operation);
  void check_poll(Operation& operation);
  void end_poll(Operation& operation, int32_t outcome);

  OwnedDescriptor epoll_;
  OwnedDescriptor wake_;
  ReceivePool pool_;
  RandomSource random_;
  Instant now_;
  std::vector<Entry> entries_;  // by descriptor
  std::vector<Completion> completed_;
  std::vector<Descriptor> to_visit_;
  std::vector<Descriptor> visiting_;
  std::deque<Descriptor> starving_;  // receives that wait for a unit, in order
  bool looked_last_time_ = true;
  std::array<epoll_event, 256> events_;
  FileWorkers workers_;  // last: its threads use wake_ until they have ended
};

}  // namespace mailroot::reactor
