#pragma once

#include <sys/epoll.h>

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "connection.h"
#include "message.h"
#include "options.h"
#include "statistics.h"

namespace mailroot::bench {

/// What the threads of one run share. Everything else belongs to one thread.
struct Run {
  const Options& options;
  int accept_log = -1;  // O_APPEND: one write per turn of a thread
  std::atomic<uint64_t> next_sequence{0};
  std::atomic<uint64_t> idle_open{0};
  std::atomic<uint32_t> still_opening{0};  // idle threads that have not tried all connections
  std::atomic<bool> stop{false};           // set by signals and by the end of --hold
};

/// One thread: an epoll loop over its share of the connections.
class Worker final : public Shared {
 public:
  Worker(Run& run, uint32_t first_connection, uint32_t connections);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  /// Runs until the messages, the connections or the time are used up.
  void work();

  const Statistics& statistics() const { return counted_; }

 private:
  struct Link {
    explicit Link(Shared& shared) : conversation(shared) {}
    Conversation conversation;
    uint32_t index = 0;
    int socket = -1;
    uint32_t interest = 0;
    bool connecting = false;
    bool opening = false;  // counted in opening_
    uint64_t last_ns = 0;  // of progress
  };

  bool take_sequence(uint64_t& sequence) override;
  bool may_connect_again() const;
  void connect_link(Link& link, uint64_t now_ns);
  void open_more(uint64_t now_ns);
  void on_event(Link& link, uint32_t events);
  void read(Link& link, uint64_t now_ns);
  void write(Link& link);
  void settle(Link& link, Conversation::Outcome outcome);
  void fail(Link& link, std::string_view reason);
  void close_link(Link& link);
  void watch(Link& link, uint32_t interest);
  void end_opening(Link& link);
  void tend(uint64_t now_ns);
  void flush_accept_log();
  int wait_ms() const;

  Run& run_;
  MessageFactory messages_;
  Statistics counted_;
  std::vector<std::unique_ptr<Link>> links_;
  std::multimap<uint64_t, Link*> retries_;  // by time
  int epoll_ = -1;
  uint32_t live_ = 0;      // links with a socket
  uint32_t opening_ = 0;   // of them, those without an answer to EHLO
  uint32_t unopened_ = 0;  // links never tried; opened in order
  uint64_t tended_ns_ = 0;
  uint64_t limit_ns_ = 0;
  bool expired_ = false;
  std::unique_ptr<char[]> buffer_;
};

}  // namespace mailroot::bench
