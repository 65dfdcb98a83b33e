// How far a long copying is, on a terminal; and its end by a signal, at a safe point.
#pragma once

#include <cstdint>
#include <string>

namespace mailroot::ctl {

class CopyProgress {
 public:
  explicit CopyProgress(std::string what) : what_(std::move(what)) {}
  ~CopyProgress();
  // SIGINT, SIGTERM and SIGHUP end the copying with the next file.
  static void catch_interrupt();
  static bool is_interrupted();
  bool step(const std::string& path);

 private:
  std::string what_;
  uint64_t files_ = 0;
  bool has_shown_ = false;
};

}  // namespace mailroot::ctl
