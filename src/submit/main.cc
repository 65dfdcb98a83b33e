// mailroot-submit: takes one message of a local user from the socket on its standard input, and
// puts it into the default virtual server's Pickup. Started by systemd, once a connection.
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <pwd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sysexits.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <iterator>

#include "mailroot/config/load.h"
#include "mailroot/submit/aliases.h"
#include "mailroot/submit/limits.h"
#include "mailroot/submit/request.h"

namespace {

using namespace mailroot;
using namespace mailroot::submit;
using Clock = std::chrono::steady_clock;

struct Options {
  std::string config = "/etc/mailroot/mailroot.yaml";
  std::string aliases = "/etc/aliases";
  int idle_seconds = kIdleSeconds;
};

std::unexpected<Failure> fail(int code, std::string text) {
  return std::unexpected(Failure{code, std::move(text)});
}

struct Received {
  Request request;
  std::string content;
};

// The whole request, within its sizes and times.
class Conversation {
 public:
  explicit Conversation(int idle_seconds) : idle_seconds_(idle_seconds) {}

  std::expected<Received, Failure> read(uint64_t size_limit_bytes) {
    size_t end = std::string::npos;
    while ((end = data_.find("\n\n")) == std::string::npos) {
      if (data_.size() > kHeadMax) return fail(EX_PROTOCOL, "the request is too long");
      if (auto more = receive(); !more) return std::unexpected(more.error());
    }
    const auto request = parse_head(std::string_view(data_).substr(0, end + 2));
    if (!request) return fail(EX_PROTOCOL, request.error());
    if (request->size_bytes > size_limit_bytes)
      return fail(EX_DATAERR, "the message is larger than messages.size_limit");
    data_.erase(0, end + 2);
    while (data_.size() < request->size_bytes)
      if (auto more = receive(); !more) return std::unexpected(more.error());
    if (data_.size() > request->size_bytes) return fail(EX_PROTOCOL, "more than was announced");
    return Received{*request, std::move(data_)};
  }

  void answer(const Failure& what) {
    const std::string line = fmt::format("{} {}\n", what.code, what.text);
    // Whoever does not read it has still its mail kept.
    [[maybe_unused]] const ssize_t sent =
        ::send(STDIN_FILENO, line.data(), line.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  }

 private:
  std::expected<void, Failure> receive() {
    const auto left = std::chrono::seconds(kTotalSeconds) - (Clock::now() - began_);
    const auto left_ms = std::chrono::duration_cast<std::chrono::milliseconds>(left).count();
    const int wait_ms = static_cast<int>(std::clamp<int64_t>(left_ms, 0, idle_seconds_ * 1000));
    pollfd socket{STDIN_FILENO, POLLIN, 0};
    if (::poll(&socket, 1, wait_ms) <= 0) return fail(EX_TEMPFAIL, "the request took too long");
    char buffer[64 * 1024];
    const ssize_t count = ::recv(STDIN_FILENO, buffer, sizeof buffer, MSG_DONTWAIT);
    if (count <= 0) return fail(EX_PROTOCOL, "the request breaks off");
    data_.append(buffer, static_cast<size_t>(count));
    return {};
  }

  int idle_seconds_;
  std::string data_;
  Clock::time_point began_ = Clock::now();
};

std::string user_name(uid_t uid) {
  const passwd* entry = ::getpwuid(uid);
  std::string name = entry != nullptr ? entry->pw_name : fmt::format("uid{}", uid);
  std::ranges::replace_if(
      name, [](char c) { return c <= ' ' || c >= 0x7F || c == '(' || c == ')' || c == '\\'; }, '_');
  return name;
}

// "default", or the first that takes files.
std::expected<std::shared_ptr<const config::VirtualServer>, Failure> default_server(
    const std::string& file) {
  const auto loaded = config::load(file, {});
  if (!loaded) return fail(EX_TEMPFAIL, "the configuration has errors (mailrootctl check)");
  std::shared_ptr<const config::VirtualServer> found;
  for (const auto& server : loaded->servers)
    if (server->pickup_enabled && (!found || server->id == "default")) found = server;
  if (!found) return fail(EX_TEMPFAIL, "no virtual server takes files from Pickup");
  return found;
}

bool write_all(int file, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(file, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(count));
  }
  return true;
}

// Whole and synced under its name in Pickup/new, or not there.
std::expected<void, Failure> store(const std::string& home, const std::string& name,
                                   std::string_view bytes) {
  const std::string part = home + "/Pickup/tmp/" + name;
  const std::string place = home + "/Pickup/new/" + name;
  const auto cannot = [&](const char* what) {
    const int code = errno == ENOSPC || errno == EDQUOT ? EX_TEMPFAIL : EX_CANTCREAT;
    Failure failure{code == EX_CANTCREAT ? EX_TEMPFAIL : code,
                    fmt::format("cannot {} in {}/Pickup: {}", what, home, std::strerror(errno))};
    return std::unexpected(std::move(failure));
  };
  const int file = ::open(part.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0640);
  if (file < 0) return cannot("make a file");
  const bool is_written = write_all(file, bytes) && ::fsync(file) == 0;
  if (::close(file) != 0 || !is_written || ::rename(part.c_str(), place.c_str()) != 0) {
    auto failure = cannot("write a file");
    ::unlink(part.c_str());
    return failure;
  }
  const int directory = ::open((home + "/Pickup/new").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool is_synced = directory >= 0 && ::fsync(directory) == 0;
  if (directory >= 0) ::close(directory);
  // The file may be sent already: to say that it failed would have it sent twice.
  if (!is_synced) fmt::print(stderr, "cannot sync {}/Pickup/new\n", home);
  return {};
}

std::vector<std::string> local_domains(const config::VirtualServer& server,
                                       const std::string& mailname) {
  std::vector<std::string> domains = {mailname, server.default_domain, server.fqdn, "localhost"};
  for (const config::Domain& domain : server.domains)
    if (domain.type == config::DomainType::alias) domains.push_back(domain.name);
  return domains;
}

void apply_aliases(const std::string& path, const std::vector<std::string>& domains,
                   const std::string& mailname, smtp::Envelope& envelope) {
  std::ifstream stream(path, std::ios::binary);
  std::string text(kAliasesFileMax, '\0');
  stream.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<size_t>(stream.gcount()));
  const Aliases aliases = parse_aliases(text);
  for (const AliasProblem& problem : aliases.problems)
    fmt::print(stderr, "{}:{}:{}: {}\n", path, problem.line, problem.column, problem.text);
  Expanded expanded = expand_aliases(aliases, envelope.recipients, domains, mailname);
  for (const std::string& warning : expanded.warnings)
    fmt::print(stderr, "{}: {}\n", path, warning);
  envelope.recipients = std::move(expanded.recipients);
  for (const smtp::Recipient& recipient : envelope.recipients)
    for (const char c : smtp::to_string(recipient.address))
      if (static_cast<unsigned char>(c) >= 0x80) envelope.smtputf8 = true;
}

std::expected<std::string, Failure> take(Conversation& client, const Options& options) {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (::getsockopt(STDIN_FILENO, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0)
    return fail(EX_NOPERM, "who asks is not known");
  const auto server = default_server(options.config);
  if (!server) return std::unexpected(server.error());
  const uint64_t limit = (*server)->size_limit_bytes;
  auto received = client.read(limit == 0 ? kContentMax : std::min(limit, kContentMax));
  if (!received) return std::unexpected(received.error());
  Submitter submitter{
      peer.uid, user_name(peer.uid), config::mail_name(config::read_machine_files()), {}, {}};
  submitter.now = WallTime(std::chrono::system_clock::now().time_since_epoch());
  submitter.unique = fmt::format("{}.{}", submitter.now.time_since_epoch().count(), ::getpid());
  auto submission = make_submission(received->request, received->content, submitter);
  if (!submission) return std::unexpected(submission.error());
  apply_aliases(options.aliases, local_domains(**server, submitter.mailname), submitter.mailname,
                submission->envelope);
  const auto stored = store((*server)->home_directory, "submit-" + submitter.unique,
                            pickup_file(*submission, submitter.now));
  if (!stored) return std::unexpected(stored.error());
  fmt::print(stderr, "uid={} from={} recipients={} size={} file=submit-{}\n", peer.uid,
             smtp::to_path(submission->envelope.reverse_path),
             submission->envelope.recipients.size(), submission->content.size(), submitter.unique);
  return submitter.unique;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string_view option = argv[i];
    if (option == "--config") options.config = argv[i + 1];
    if (option == "--aliases") options.aliases = argv[i + 1];
    if (option == "--idle-seconds")
      options.idle_seconds = std::clamp(std::atoi(argv[i + 1]), 1, 3600);
  }
  ::umask(0027);
  Conversation client(options.idle_seconds);
  const auto taken = take(client, options);
  if (!taken) fmt::print(stderr, "refused: {}\n", taken.error().text);
  client.answer(taken ? Failure{EX_OK, "kept as " + *taken} : taken.error());
  return 0;
}
