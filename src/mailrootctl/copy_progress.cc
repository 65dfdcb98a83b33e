#include "copy_progress.h"

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <csignal>

namespace mailroot::ctl {

namespace {

constexpr uint64_t kEvery = 500;
volatile std::sig_atomic_t interrupted = 0;

void note_interrupt(int) { interrupted = 1; }

}  // namespace

void CopyProgress::catch_interrupt() {
  struct sigaction action{};
  action.sa_handler = note_interrupt;
  action.sa_flags = SA_RESTART;
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) sigaction(signal, &action, nullptr);
}

bool CopyProgress::is_interrupted() { return interrupted != 0; }

CopyProgress::~CopyProgress() {
  if (has_shown_) fmt::print(stderr, "\r{}: {} files\n", what_, files_);
}

bool CopyProgress::step(const std::string&) {
  if (++files_ % kEvery == 0 && isatty(STDERR_FILENO) == 1) {
    has_shown_ = true;
    fmt::print(stderr, "\r{}: {} files", what_, files_);
  }
  return !is_interrupted();
}

}  // namespace mailroot::ctl
