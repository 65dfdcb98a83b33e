// LogHub: takes events from every thread and writes them as lines, text or JSON, through spdlog.
// Writers never wait: a full ring drops and counts, and the count is itself a line.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "mailroot/base/log.h"
#include "mailroot/base/result.h"
#include "mailroot/config/snapshot.h"

namespace mailroot::control {

struct LogOptions {
  log::Level level = log::Level::info;
  config::LogTarget target = config::LogTarget::standard_error;
  std::string file;
  config::LogFormat format = config::LogFormat::text;
};

class LogHub {
 public:
  // The sentence why the log cannot be opened, or the hub with its thread running.
  static std::expected<std::unique_ptr<LogHub>, std::string> open(const LogOptions& options);
  ~LogHub();  // writes what is left

  // One per writing thread; lives as long as the hub.
  log::Sink& make_sink();
  // The least important events that are written, from now on. Any thread.
  void set_level(log::Level level);

 private:
  struct Impl;
  explicit LogHub(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace mailroot::control
