#include "dovecot.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "limits.h"
#include "mailroot/base/base64.h"

namespace mailroot::server {

using reactor::Descriptor;
using reactor::task;
using reactor::Wait;

namespace {

// At once: a Unix socket is connected or it is not.
result<Descriptor> connect_unix(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return fail(Errc::invalid);
  std::memcpy(address.sun_path, path.data(), path.size());
  const Descriptor socket = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (socket < 0) return std::unexpected(error_from_errno(errno));
  if (::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
    return socket;
  }
  const int why = errno;
  ::close(socket);
  return std::unexpected(error_from_errno(why));
}

// One word of a line, which is taken off it.
std::string_view take_word(std::string_view& line) {
  const std::string_view word = line.substr(0, line.find('\t'));
  line.remove_prefix(std::min(line.size(), word.size() + 1));
  return word;
}

bool has_word(std::string_view line, std::string_view wanted) {
  while (!line.empty()) {
    if (take_word(line) == wanted) return true;
  }
  return false;
}

// The conversation, without its socket.
class Conversation {
 public:
  explicit Conversation(receive::LoginAttempt& attempt) : attempt_(attempt) {}

  // What is to be sent now; empty: nothing. Check verdict() then.
  std::string take_line(std::string_view line) {
    const std::string_view verb = take_word(line);
    if (verb == "VERSION" && take_word(line) != "1") verdict_ = fail(Errc::unsupported);
    if (verb == "MECH" && take_word(line) == "PLAIN") knows_plain_ = true;
    if (verb == "DONE") return begin();
    if (verb == "OK") verdict_ = true;
    if (verb == "CONT") verdict_ = fail(Errc::corrupt);
    if (verb == "FAIL") {
      const bool is_temporary = has_word(line, "temp") || has_word(line, "code=temp_fail");
      verdict_ = is_temporary ? result<bool>(fail(Errc::busy)) : result<bool>(false);
    }
    return {};
  }
  const std::optional<result<bool>>& verdict() const { return verdict_; }

 private:
  std::string begin() {
    if (!knows_plain_) verdict_ = fail(Errc::unsupported);
    if (verdict_) return {};
    std::string response(1, '\0');
    response.append(attempt_.user).append(1, '\0').append(attempt_.password);
    std::string out = "AUTH\t1\tPLAIN\tservice=smtp\trip=" + attempt_.client.to_string();
    if (attempt_.is_encrypted) out += "\tsecured";
    std::string encoded = encode_base64(response);
    out += "\tresp=" + encoded + "\n";  // the last parameter, as the protocol wants
    sasl::wipe(response);
    sasl::wipe(encoded);
    return out;
  }

  receive::LoginAttempt& attempt_;
  bool knows_plain_ = false;
  std::optional<result<bool>> verdict_;
};

task<result<void>> send_text(reactor::Reactor& reactor, Descriptor socket, std::string text,
                             Wait wait) {
  const iovec piece{text.data(), text.size()};
  auto sent = co_await reactor.send(socket, {&piece, 1}, wait);
  sasl::wipe(text);
  co_return sent;
}

task<result<bool>> converse(reactor::Reactor& reactor, Descriptor socket,
                            reactor::ReceiveStream& stream, Conversation& conversation, Wait wait) {
  const std::string hello = "VERSION\t1\t1\nCPID\t" + std::to_string(::getpid()) + "\n";
  auto sent = co_await send_text(reactor, socket, hello, wait);
  std::string pending;
  while (sent) {
    auto received = co_await stream.next(wait);
    if (!received) co_return std::unexpected(received.error());
    pending += as_text(received->bytes());
    for (size_t end = pending.find('\n'); end != std::string::npos; end = pending.find('\n')) {
      std::string reply = conversation.take_line(std::string_view(pending).substr(0, end));
      pending.erase(0, end + 1);
      if (conversation.verdict()) co_return *conversation.verdict();
      if (reply.empty()) continue;
      sent = co_await send_text(reactor, socket, std::move(reply), wait);
      if (!sent) co_return std::unexpected(sent.error());
    }
    if (pending.size() > kDovecotLineMax) co_return fail(Errc::corrupt);
  }
  co_return std::unexpected(sent.error());
}

}  // namespace

task<result<bool>> ask_dovecot(reactor::Reactor& reactor, std::string path,
                               receive::LoginAttempt attempt) {
  const auto socket = connect_unix(path);
  if (!socket) co_return std::unexpected(socket.error());
  result<bool> verdict = false;
  {
    Conversation conversation(attempt);
    reactor::ReceiveStream stream(reactor, *socket);
    const Wait wait{reactor.now() + kDovecotTimeout, nullptr};
    verdict = co_await converse(reactor, *socket, stream, conversation, wait);
    co_await stream.stop();
  }
  co_await reactor.close_now(*socket);
  sasl::wipe(attempt.password);
  co_return verdict;
}

}  // namespace mailroot::server
