// sendmail(1), mailq and newaliases: hands mail to the submission service.
#include <fmt/format.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iostream>
#include <iterator>
#include <optional>
#include <thread>

#include "dialogue.h"
#include "mailroot/config/machine.h"
#include "mailroot/submit/aliases.h"
#include "mailroot/submit/limits.h"
#include "options.h"

namespace {

using namespace mailroot;

int complain(int code, const std::string& text) {
  fmt::print(stderr, "sendmail: {}\n", text);
  return code;
}

// mailrootctl's answer as an exit code of sysexits.h.
int run_mailrootctl(std::vector<std::string> words) {
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  pid_t child = 0;
  int status = 0;
  if (::posix_spawnp(&child, arguments[0], nullptr, nullptr, arguments.data(), environ) != 0 ||
      ::waitpid(child, &status, 0) != child || !WIFEXITED(status))
    return complain(EX_OSERR, "mailrootctl cannot be run");
  if (WEXITSTATUS(status) == 0) return EX_OK;
  return WEXITSTATUS(status) == 2 ? EX_UNAVAILABLE : EX_NOPERM;
}

int check_aliases() {
  const char* const path = "/etc/aliases";
  std::ifstream stream(path, std::ios::binary);
  if (!stream) return EX_OK;
  const std::string text(std::istreambuf_iterator<char>(stream), {});
  if (text.size() > submit::kAliasesFileMax)
    return complain(EX_DATAERR, "/etc/aliases is larger than 1 MiB");
  const submit::Aliases aliases = submit::parse_aliases(text);
  for (const submit::AliasProblem& problem : aliases.problems)
    fmt::print(stderr, "{}:{}:{}: {}\n", path, problem.line, problem.column, problem.text);
  return aliases.problems.empty() ? EX_OK : EX_DATAERR;
}

// Standard input; false if it is too large or cannot be read.
bool read_message(bool dot_ends, std::string& content) {
  for (std::string line; std::getline(std::cin, line);) {
    if (dot_ends && (line == "." || line == ".\r")) return true;
    content += line;
    if (!std::cin.eof()) content += '\n';
    if (content.size() > submit::kContentMax) return false;
  }
  return !std::cin.bad();
}

int open_service(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return -1;
  std::memcpy(address.sun_path, path.data(), path.size());
  const int socket = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const timeval wait{submit::kTotalSeconds, 0};
  ::setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
  ::setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);
  if (::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0)
    return socket;
  ::close(socket);
  return -1;
}

// Nothing if the connection ended without an answer.
std::optional<submit::Failure> hand_over(int socket, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) break;  // whoever refuses early has said why
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
  std::string answer;
  char buffer[1024];
  for (ssize_t count = 0; (count = ::recv(socket, buffer, sizeof buffer, 0)) > 0;)
    answer.append(buffer, static_cast<size_t>(count));
  if (answer.empty()) return std::nullopt;
  int code = EX_TEMPFAIL;
  const char* const last = answer.data() + answer.size();
  const auto [end, error] = std::from_chars(answer.data(), last, code);
  if (error != std::errc() || !answer.ends_with('\n') || end + 1 >= last)
    return submit::Failure{EX_TEMPFAIL, "the submission service does not speak its language"};
  return submit::Failure{code, std::string(end + 1, last - 1)};
}

// systemd closes connections above its limit at once, and cron, for one, asks only once: so it is
// asked again for a while.
submit::Failure submit_message(const submit::Request& request, const std::string& content) {
  using Clock = std::chrono::steady_clock;
  const auto give_up_at = Clock::now() + std::chrono::seconds(submit::kBusySeconds);
  const char* const named = std::getenv("MAILROOT_SUBMIT_SOCKET");
  const std::string path = named != nullptr ? named : "/run/mailroot-submit/socket";
  std::chrono::milliseconds wait(100 + ::getpid() % 100);
  while (true) {
    const int socket = open_service(path);
    if (socket < 0) return {EX_TEMPFAIL, path + ": " + std::strerror(errno)};
    const auto done = hand_over(socket, submit::encode_head(request) + content);
    ::close(socket);
    if (done) return *done;
    if (Clock::now() + wait >= give_up_at)
      return {EX_TEMPFAIL, "the submission service did not answer"};
    std::this_thread::sleep_for(wait);
    wait = std::min(wait * 2, std::chrono::milliseconds(2000));
  }
}

int send(sendmail::Options& options) {
  std::string content;
  if (!read_message(options.dot_ends, content))
    return complain(EX_DATAERR, "the message is too large or cannot be read");
  options.request.size_bytes = content.size();
  const submit::Failure done = submit_message(options.request, content);
  return done.code == EX_OK ? EX_OK : complain(done.code, done.text);
}

bool write_out(std::string_view text) {
  while (!text.empty()) {
    const ssize_t count = ::write(STDOUT_FILENO, text.data(), text.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    text.remove_prefix(static_cast<size_t>(count));
  }
  return true;
}

int speak_smtp() {
  sendmail::Dialogue dialogue(config::mail_name(config::read_machine_files()), submit_message);
  bool is_read = write_out(dialogue.greet());
  char buffer[64 * 1024];
  while (is_read && !dialogue.is_over()) {
    const ssize_t count = ::read(STDIN_FILENO, buffer, sizeof buffer);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;
    is_read = write_out(dialogue.feed({buffer, static_cast<size_t>(count)}));
  }
  return is_read ? EX_OK : EX_IOERR;
}

}  // namespace

int main(int argc, char** argv) {
  std::string program = argc > 0 ? argv[0] : "sendmail";
  program.erase(0, program.rfind('/') + 1);
  auto options =
      sendmail::parse_options(program, std::vector<std::string>(argv + (argc > 0), argv + argc));
  if (!options) return complain(EX_USAGE, options.error());
  switch (options->mode) {
    case sendmail::Mode::list_queue:
      return run_mailrootctl({"mailrootctl", "queue", "list"});
    case sendmail::Mode::retry_queue:
      return run_mailrootctl({"mailrootctl", "queue", "retry", "all"});
    case sendmail::Mode::check_aliases:
      return check_aliases();
    case sendmail::Mode::speak_smtp:
      return speak_smtp();
    case sendmail::Mode::send:
      break;
  }
  return send(*options);
}
