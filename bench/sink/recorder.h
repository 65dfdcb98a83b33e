#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "options.h"
#include "statistics.h"

namespace mailroot::bench {

/// Envelope of one transaction as the client wrote it.
struct Envelope {
  std::string client;  // address:port
  std::string hello;
  std::string reverse_path;
  std::string mail_parameters;
  std::vector<std::string> forward_paths;
  std::vector<std::string> rcpt_parameters;
};

/// Names the files of --capture; shared by all threads.
struct CaptureNames {
  uint64_t start = 0;
  std::atomic<uint64_t> next{1};
};

/// Looks at the content of one message while it streams by: size, CRC, header section, and
/// with --capture the file. Violations are bare CR, bare LF, lines over 998 octets and
/// 8-bit content that was not announced; they are looked for with --log and --capture only.
class Recorder {
 public:
  Recorder(const Options& options, CaptureNames& names) : options_(options), names_(names) {}
  ~Recorder() { drop(); }
  Recorder(const Recorder&) = delete;
  Recorder& operator=(const Recorder&) = delete;

  void begin(const Envelope& envelope);
  void append(std::string_view bytes);
  uint64_t size_bytes() const { return size_; }

  /// The message is taken: completes the capture and appends to `log_line`. False when the
  /// capture could not be written; the reason went to stderr.
  bool finish(const Envelope& envelope, Statistics& statistics, std::string& log_line);

  /// The message is not taken.
  void drop();

 private:
  static constexpr size_t kHeaderMax = 256 * 1024;

  void read_header(std::string_view bytes);
  void check(std::string_view bytes);
  void read_bench_line(Statistics& statistics);
  std::string_view header_field(std::string_view name) const;
  bool write_capture(const Envelope& envelope);

  const Options& options_;
  CaptureNames& names_;
  uint64_t size_ = 0;
  uint32_t crc_ = 0;
  uint32_t body_crc_ = 0;
  bool in_body_ = false;
  std::string header_;
  std::string sequence_;
  std::string verdict_;
  bool binary_ = false;
  bool eight_bit_ = false;
  char last_ = 0;
  uint64_t line_length_ = 0;
  uint64_t violations_ = 0;
  uint64_t number_ = 0;
  int file_ = -1;
  bool write_failed_ = false;
};

}  // namespace mailroot::bench
