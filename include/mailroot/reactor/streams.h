// Multishot operations as streams: bytes of a socket, connections of a listener.
#pragma once

#include <coroutine>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "mailroot/base/bytes.h"
#include "mailroot/base/intrusive_list.h"
#include "mailroot/base/result.h"
#include "mailroot/reactor/backend.h"
#include "mailroot/reactor/call.h"
#include "mailroot/reactor/limits.h"

namespace mailroot::reactor {

// Received bytes in memory of their own, counted against kSpillBytesMax of their reactor.
class SpilledBytes {
 public:
  SpilledBytes() = default;
  // Copies. `spilled_bytes` is the reactor's count; it outlives this.
  SpilledBytes(ByteView bytes, size_t& spilled_bytes);
  ~SpilledBytes() { release(); }
  SpilledBytes(SpilledBytes&& other) noexcept;
  SpilledBytes& operator=(SpilledBytes&& other) noexcept;
  explicit operator bool() const { return memory_ != nullptr; }
  const std::byte* data() const { return memory_.get(); }

 private:
  void release();
  std::unique_ptr<std::byte[]> memory_;
  size_t size_bytes_ = 0;
  size_t* spilled_bytes_ = nullptr;
};

// Received bytes: a filled unit of the receive pool, which goes back when the lease dies, or a
// copy. Dies before its Reactor.
class BufferLease {
 public:
  BufferLease() = default;
  BufferLease(Backend& backend, int32_t index, size_t size_bytes);
  BufferLease(SpilledBytes copy, size_t size_bytes);
  ~BufferLease() { release(); }
  BufferLease(BufferLease&& other) noexcept;
  BufferLease& operator=(BufferLease&& other) noexcept;
  ByteView bytes() const { return bytes_; }

 private:
  void release();
  Backend* backend_ = nullptr;
  int32_t index_ = -1;
  ByteView bytes_;
  SpilledBytes copy_;
};

// What holds more than it should at the end of a run phase. Internal to reactor/.
class Crowded : public ListHook {
 public:
  virtual void relieve() = 0;

 protected:
  ~Crowded() = default;
};

// One multishot operation whose items wait in order until somebody takes them. One consumer.
//
//   idle --next()--> armed --too many unread--> pausing --> idle      (armed again by next())
//                      |------ end, error ----> ended                 (stays so)
//                      '------ stop() --------> stopping --> ended
class MultishotStream : private Operation, private Crowded {
 public:
  // next() would not wait for items.
  bool has_ready() const { return head_ < items_.size(); }
  // Nothing more will come, but for what has_ready().
  bool has_ended() const { return ended_.has_value(); }

  class [[nodiscard]] Stop {
   public:
    explicit Stop(MultishotStream& stream) : stream_(stream) {}
    bool await_ready() const noexcept { return !stream_.armed_; }
    void await_suspend(std::coroutine_handle<> waiter) { stream_.stop_waiter_ = waiter; }
    void await_resume() const noexcept {}

   private:
    MultishotStream& stream_;
  };
  // Waits until the kernel is done with the stream. Must have completed before the stream dies,
  // unless has_ended(), and before its descriptor is closed. A waiting next() ends as cancelled.
  Stop stop();

 protected:
  struct Item {
    int32_t value = 0;
    int32_t buffer = -1;
    SpilledBytes copy;  // instead of the buffer
  };
  class Next;

  MultishotStream(Reactor& reactor, Opcode code, Descriptor source, size_t items_max);
  ~MultishotStream();
  MultishotStream(const MultishotStream&) = delete;
  MultishotStream& operator=(const MultishotStream&) = delete;

  Reactor& reactor() const { return reactor_; }
  Item take();
  void hold() { held_ = true; }  // no arming until go_on()
  void go_on();
  bool is_stopping() const { return stopping_; }

 private:
  // The operation failed and not because we asked. True: the stream goes on (it may have called
  // hold()); false: this error is its end.
  virtual bool goes_on_after(int32_t system_errno) = 0;
  virtual void on_stopped() = 0;
  // The consumer is busy elsewhere: gives back what this unread item holds.
  virtual void spill(Item& item) = 0;

  void relieve() final;
  static void completed(Operation& operation, const Completion& completion);
  void on_last(int32_t last_result, bool had_item);
  void end(Error reason);
  void arm();

  Reactor& reactor_;
  size_t items_max_;
  std::vector<Item> items_;
  size_t head_ = 0;
  bool armed_ = false;
  bool cancelling_ = false;
  bool stopping_ = false;
  bool held_ = false;
  std::optional<Error> ended_;
  Next* next_waiter_ = nullptr;
  std::coroutine_handle<> stop_waiter_;
};

class MultishotStream::Next : private Waiting {
 public:
  bool await_ready() const noexcept;
  bool await_suspend(std::coroutine_handle<> waiter);

 protected:
  Next(MultishotStream& stream, const Wait& wait);
  ~Next() = default;
  result<Item> outcome();

 private:
  friend class MultishotStream;
  void interrupt() final { wake(); }
  void wake();
  MultishotStream& stream_;
  std::coroutine_handle<> waiter_;
};

// What arrives on one connected socket, in order. Buffers that arrived before anybody asked wait
// inside. With kStreamBuffersMax of them and nobody reading, receiving stops until they are read
// (back pressure), and what the kernel had taken beyond that is copied out of the pool: a peer that
// floods us while its session is busy must not take the pool from the others. The first next()
// starts it: data never asked for is never taken from the kernel.
class ReceiveStream final : public MultishotStream {
 public:
  class [[nodiscard]] Next final : public MultishotStream::Next {
   public:
    Next(ReceiveStream& stream, const Wait& wait)
        : MultishotStream::Next(stream, wait), receive_stream_(stream) {}
    result<BufferLease> await_resume();

   private:
    ReceiveStream& receive_stream_;
  };

  ReceiveStream(Reactor& reactor, Descriptor socket);
  ~ReceiveStream();
  // result<BufferLease>: the next bytes; Errc::end_of_stream at the peer's orderly close, reset,
  // timed_out, cancelled.
  Next next(Wait wait) { return Next(*this, wait); }

 private:
  bool goes_on_after(int32_t system_errno) override;
  void on_stopped() override { release_all(); }
  void spill(Item& item) override;
  void release_all();
};

// Connections arriving at one listening socket. Rests by itself for kAcceptRest when descriptors
// or memory run out, and goes on (accept must not spin). Connections that had arrived when stop()
// was called are still given by next(); the destructor closes what nobody took.
class AcceptStream final : public MultishotStream, private Timer {
 public:
  class [[nodiscard]] Next final : public MultishotStream::Next {
   public:
    Next(AcceptStream& stream, const Wait& wait) : MultishotStream::Next(stream, wait) {}
    result<Descriptor> await_resume();
  };

  // `on_rest` hears why, each time it has to rest; on the reactor's thread.
  using OnRest = std::function<void(Error)>;
  AcceptStream(Reactor& reactor, Descriptor listener);
  AcceptStream(Reactor& reactor, Descriptor listener, OnRest on_rest);
  ~AcceptStream();
  Next next(Wait wait) { return Next(*this, wait); }  // result<Descriptor>
  uint64_t rests() const { return rests_; }           // how often it had to rest

 private:
  bool goes_on_after(int32_t system_errno) override;
  void on_stopped() override;
  void spill(Item&) override {}
  void on_timer() override;
  OnRest on_rest_;
  uint64_t rests_ = 0;
};

}  // namespace mailroot::reactor
