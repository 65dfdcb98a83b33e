#include "screen.h"

#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <string_view>

namespace mailroot::ctl {

namespace {

constexpr std::string_view kEnter = "\x1b[?1049h\x1b[?25l\x1b[2J";
constexpr std::string_view kLeave = "\x1b[?25h\x1b[?1049l";

volatile std::sig_atomic_t ends = 0, resized = 0, stops = 0;

constexpr unsigned kEndSeconds = 2;

termios before{};
volatile std::sig_atomic_t is_raw = 0;

// The daemon may never answer: then this ends without it.
void note_end(int) {
  ends = 1;
  ::alarm(kEndSeconds);
}

void end_now(int) {
  [[maybe_unused]] const ssize_t written = ::write(STDOUT_FILENO, kLeave.data(), kLeave.size());
  if (is_raw != 0) ::tcsetattr(STDIN_FILENO, TCSANOW, &before);
  ::_exit(1);
}

void note_size(int) { resized = 1; }
void note_stop(int) { stops = 1; }

void on(int signal, void (*handler)(int)) {
  struct sigaction action{};
  action.sa_handler = handler;  // without SA_RESTART: poll() has to notice
  sigaction(signal, &action, nullptr);
}

bool put(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(STDOUT_FILENO, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(count));
  }
  return true;
}

}  // namespace

Screen::Screen() {
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT}) on(signal, note_end);
  on(SIGWINCH, note_size);
  on(SIGTSTP, note_stop);
  on(SIGALRM, end_now);
  on(SIGPIPE, SIG_IGN);
  enter();
}

Screen::~Screen() { leave(); }

void Screen::enter() {
  if (::tcgetattr(STDIN_FILENO, &before) == 0) {
    termios raw = before;
    raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
    raw.c_cc[VMIN] = 0;
    raw.c_cc[VTIME] = 0;
    is_raw = ::tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0 ? 1 : 0;
  }
  put(kEnter);
}

void Screen::leave() {
  if (is_raw != 0) ::tcsetattr(STDIN_FILENO, TCSANOW, &before);
  is_raw = 0;
  put(kLeave);
}

// Ctrl-Z: the shell gets its terminal as it was.
void Screen::rest() {
  stops = 0;
  leave();
  ::raise(SIGSTOP);
  enter();
}

Screen::Size Screen::size() const {
  winsize found{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &found) != 0 || found.ws_col == 0 || found.ws_row == 0) {
    return {};
  }
  return {found.ws_col, found.ws_row};
}

bool Screen::show(const std::vector<std::string>& lines) {
  std::string out = "\x1b[H";
  for (size_t i = 0; i < lines.size(); ++i) {
    out += lines[i] + "\x1b[K";
    if (i + 1 < lines.size()) out += "\r\n";
  }
  return put(out + "\x1b[J");
}

Screen::Event Screen::wait(std::chrono::milliseconds timeout) {
  pollfd keys{STDIN_FILENO, POLLIN, 0};
  const int found = ::poll(&keys, 1, static_cast<int>(timeout.count()));
  if (ends != 0) return Event::quit;
  if (stops != 0) {
    rest();
    return Event::refresh;
  }
  if (resized != 0) {
    resized = 0;
    return Event::refresh;
  }
  if (found <= 0) return Event::timeout;
  char key = 0;
  const ssize_t count = ::read(STDIN_FILENO, &key, 1);
  const bool is_gone = count == 0 || (count < 0 && errno != EINTR && errno != EAGAIN);
  if (is_gone || key == 'q' || key == 'Q') return Event::quit;
  return key == ' ' ? Event::refresh : Event::timeout;
}

}  // namespace mailroot::ctl
