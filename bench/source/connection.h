#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "message.h"
#include "options.h"
#include "reply_reader.h"
#include "statistics.h"

namespace mailroot::bench {

/// What all connections of one thread share.
struct Shared {
  const Options& options;
  MessageFactory& factory;
  Statistics& statistics;
  std::string scratch;
  std::string accept_lines;  // written to --accept-log at the end of each turn

  /// Takes the next sequence number; false when the run has none left or is stopping.
  virtual bool take_sequence(uint64_t& sequence) = 0;

 protected:
  Shared(const Options& o, MessageFactory& f, Statistics& s)
      : options(o), factory(f), statistics(s) {}
  ~Shared() = default;
};

/// One SMTP client conversation: no socket in it, bytes in and bytes out. Every command sent is
/// remembered until its reply comes, so lockstep, pipelined and chunked sending are one code.
/// Used by one thread.
class Conversation {
 public:
  enum class Outcome : uint8_t { open, idle, finished, broken };

  explicit Conversation(Shared& shared) : shared_(shared) {}

  /// Forgets everything: a new connection begins, the greeting is awaited.
  void begin(uint64_t now_ns);

  /// Takes what the server sent. `broken` leaves the reason in failure().
  Outcome receive(std::string_view bytes, uint64_t now_ns);

  /// Sends QUIT after what is under way (idle connections).
  void quit();

  /// The connection is gone: what was under way counts as unanswered.
  void abandon();

  struct Chunk {
    const char* data;
    size_t size;
  };
  /// Bytes to send, at most `limit` pieces; valid until the next call of another member.
  size_t output(Chunk* chunks, size_t limit) const;
  bool has_output() const { return first_ < segments_.size(); }
  /// `size` bytes of output() were handed to the kernel at `now_ns`.
  void sent(size_t size, uint64_t now_ns);

  /// Begins transactions as far as the mode permits. Call when output has been sent.
  void fill(uint64_t now_ns);

  const std::string& failure() const { return failure_; }
  bool waiting() const { return !expected_.empty(); }

 private:
  enum class Waiting : uint8_t { greeting, hello, mail, rcpt, data, end, reset, quit };
  struct Transaction {
    uint64_t sequence = 0;
    uint64_t started_ns = 0;
    uint64_t end_offset = 0;  // of the output stream; 0 until the content is queued
    uint64_t sent_ns = 0;
    uint32_t recipients_sent = 0;
    uint32_t recipients_taken = 0;
    bool refused = false;
  };
  struct Segment {
    const char* fixed;  // nullptr: `offset` into text_
    size_t offset;
    size_t size;
  };

  void put(std::string_view text, Waiting reply);
  void put_text_since(size_t offset);
  void put_fixed(std::string_view bytes);
  void put_mail(const Transaction& transaction);
  void put_rcpt(Transaction& transaction);
  void put_content(Transaction& transaction, uint64_t now_ns);
  void start_transaction(uint64_t sequence, uint64_t now_ns);
  bool may_start() const;
  Outcome handle(const Reply& reply, uint64_t now_ns);
  Outcome handle_hello(const Reply& reply, uint64_t now_ns);
  void handle_mail(const Reply& reply, uint64_t now_ns);
  void handle_rcpt(const Reply& reply, uint64_t now_ns);
  void handle_data(const Reply& reply, uint64_t now_ns);
  void handle_end(const Reply& reply, uint64_t now_ns);
  void proceed_after_recipients(uint64_t now_ns);
  void refuse(const Reply& reply, std::string_view verb);
  Outcome broken(std::string reason);

  Shared& shared_;
  ReplyReader reader_;
  std::deque<Waiting> expected_;
  std::deque<Transaction> transactions_;
  std::string text_;
  std::vector<Segment> segments_;
  size_t first_ = 0;       // first segment not sent
  size_t first_sent_ = 0;  // bytes of it already sent
  uint64_t queued_total_ = 0;
  uint64_t sent_total_ = 0;
  uint64_t begun_ns_ = 0;
  uint64_t started_ = 0;  // transactions of this connection
  bool ready_ = false;
  bool quitting_ = false;
  bool must_reset_ = false;
  bool offers_size_ = false;
  bool offers_pipelining_ = false;
  bool offers_chunking_ = false;
  std::string failure_;
};

}  // namespace mailroot::bench
