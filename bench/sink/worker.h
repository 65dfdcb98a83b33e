#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "options.h"
#include "session.h"
#include "statistics.h"

namespace mailroot::bench {

/// What the threads share. Everything else belongs to one thread.
struct Service {
  const Options& options;
  CaptureNames names;
  int log = -1;  // O_APPEND: one write per turn of a thread
  std::atomic<uint64_t> messages{0};
  std::atomic<bool> stop{false};
};

/// One thread: an epoll loop over its own SO_REUSEPORT listener and the connections it accepted.
class Worker {
 public:
  /// Owns `listener`.
  Worker(Service& service, int listener, uint64_t number);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  /// Runs until service.stop or the expected messages.
  void work();

  const Statistics& statistics() const { return counted_; }

 private:
  struct Link {
    Link(Shared& shared, std::string client, int s)
        : session(shared, std::move(client)), socket(s) {}
    Session session;
    int socket;
    uint32_t interest = 0;
    std::string input;     // received, not yet consumed
    std::string output;    // not yet sent
    size_t sent = 0;       // of output
    bool blocked = false;  // waits or stalls: not read from
    bool closing = false;  // close when output is sent
    bool timed = false;    // has an entry in timers_
  };

  void accept_all();
  void on_event(Link& link, uint32_t events);
  void read(Link& link);
  void take(Link& link, std::string_view bytes);
  void send_output(Link& link);
  void send_slowly(Link& link);
  void settle(Link& link);
  void set_timer(Link& link, uint64_t delay_ms);
  void on_timer(Link& link);
  void remove(Link& link, bool reset);
  void flush_log();
  bool done() const;

  Service& service_;
  Statistics counted_;
  Shared shared_;
  int listener_;
  int epoll_;
  std::map<Link*, std::unique_ptr<Link>> links_;
  std::multimap<uint64_t, Link*> timers_;
  std::unique_ptr<char[]> buffer_;
};

}  // namespace mailroot::bench
