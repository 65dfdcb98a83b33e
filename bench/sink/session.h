#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>

#include "command.h"
#include "data_decoder.h"
#include "misbehaviour.h"
#include "options.h"
#include "recorder.h"
#include "statistics.h"

namespace mailroot::bench {

/// What the sessions of one thread share.
struct Shared {
  const Options& options;
  Statistics& statistics;
  Mischief mischief;
  CaptureNames& names;
  std::atomic<uint64_t>& messages;  // of all threads, for --expect and progress
  std::string log_lines;            // written at the end of each turn, before replies are sent
};

/// One SMTP server conversation: no socket in it, bytes in and replies out. It follows RFC 5321
/// (order, grammar of MAIL and RCPT, strict end of data) plus the extensions it offers, and
/// misbehaves as the rules say. Used by one thread.
class Session {
 public:
  enum class Next : uint8_t { proceed, read, wait, stall, close, reset };

  Session(Shared& shared, std::string client);

  /// Takes from the front of `input` what it can and appends replies to `output`. `read` wants more
  /// bytes; `wait` wants to be called again after wait_ms(), with the same input; `stall` wants
  /// nothing ever. `proceed` is not returned.
  Next feed(std::string_view& input, std::string& output);
  uint32_t wait_ms() const { return wait_ms_; }

  /// The connection ended; true if that was inside a transaction.
  bool abandoned() const { return mail_; }

 private:
  enum class State : uint8_t { greeting, command, data_start, data, chunk, ending };
  static constexpr size_t kLineMax = 4096;

  Next gate(std::string_view verb, std::string_view line);
  Next gate_rule(const Rule& rule);
  Next step(std::string_view& input);
  Next greet();
  Next take_command(std::string_view& input);
  Next take_data(std::string_view& input);
  Next take_chunk(std::string_view& input);
  Next end_message();
  Next run(const Command& command);
  void hello(const Command& command);
  void mail(std::string_view rest);
  bool check_mail_parameter(std::string_view parameter);
  void rcpt(std::string_view rest);
  void data();
  Next chunk(std::string_view rest);
  void clear_transaction();
  void reply(int code, std::string_view text);

  Shared& shared_;
  Envelope envelope_;
  Recorder recorder_;
  DataDecoder decoder_;
  std::string* output_ = nullptr;
  State state_ = State::greeting;
  bool extended_ = false;  // EHLO, not HELO
  bool greeted_ = false;
  bool mail_ = false;     // MAIL accepted
  bool chunked_ = false;  // a BDAT of this transaction was seen
  bool last_chunk_ = false;
  bool skip_chunk_ = false;  // a BDAT that is refused still carries its bytes
  bool delayed_ = false;     // the present reply has had its delay
  bool settled_ = false;     // a rule answered in place of the command
  uint64_t chunk_left_ = 0;
  uint64_t taken_ = 0;  // messages of this connection
  uint32_t wait_ms_ = 0;
  uint32_t extra_lines_ = 0;
  int code_ = 0;  // a rule's positive reply, used by the next reply()
  std::string text_;
};

}  // namespace mailroot::bench
