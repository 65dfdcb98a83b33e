#include "password_prompt.h"

#include <termios.h>
#include <unistd.h>

#include <cstdio>
#include <iostream>

#include "mailroot/sasl/scram.h"
#include "users_text.h"

namespace mailroot::ctl {

namespace {

// The terminal echoes again when this ends. Signals wait, or one would leave it mute.
class NoEcho {
 public:
  NoEcho() {
    is_terminal_ = ::tcgetattr(STDIN_FILENO, &before_) == 0;
    termios quiet = before_;
    quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO | ISIG);
    if (is_terminal_) is_terminal_ = ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet) == 0;
  }
  ~NoEcho() {
    if (is_terminal_) ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &before_);
  }
  NoEcho(const NoEcho&) = delete;
  NoEcho& operator=(const NoEcho&) = delete;
  bool is_terminal() const { return is_terminal_; }

 private:
  termios before_{};
  bool is_terminal_ = false;
};

constexpr char kInterrupt = '\x03';

// Nothing: Ctrl-C, or the end of the input.
bool ask(const std::string& question, std::string& answer) {
  std::fputs(question.c_str(), stderr);
  std::fflush(stderr);
  const bool read = static_cast<bool>(std::getline(std::cin, answer));
  std::fputs("\n", stderr);
  return read && !answer.contains(kInterrupt);
}

std::expected<std::string, std::string> checked(std::string password) {
  if (const auto why = why_no_password(password); !why.empty()) {
    sasl::wipe(password);
    return std::unexpected(std::string(why));
  }
  return password;
}

}  // namespace

std::expected<std::string, std::string> read_password(const std::string& user, bool from_input) {
  std::string password;
  if (from_input) {
    if (!std::getline(std::cin, password)) return std::unexpected("no password on standard input");
    if (password.ends_with('\r')) password.pop_back();
    return checked(std::move(password));
  }
  std::string again;
  {
    const NoEcho quiet;
    if (!quiet.is_terminal()) {
      return std::unexpected("this is no terminal to ask at: say --password-stdin");
    }
    if (!ask("Password of " + user + ": ", password) || !ask("Once more: ", again)) {
      return std::unexpected("nothing was changed");
    }
  }
  const bool same = password == again;
  sasl::wipe(again);
  if (!same) {
    sasl::wipe(password);
    return std::unexpected("that were two different passwords; nothing was changed");
  }
  return checked(std::move(password));
}

}  // namespace mailroot::ctl
