#include "queue_move.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "message_stream.h"

namespace mailroot::ctl {

namespace {

bool write_all(int file, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(file, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(count));
  }
  return true;
}

std::string last_error(const std::string& what) {
  return fmt::format("{}: {}", what, std::strerror(errno));
}

// "" or why it was not written; it is whole and durable under its name, or not there.
MovedOut write_file(Client& client, const std::string& id, const std::string& server,
                    const std::string& directory) {
  MovedOut out;
  const int top = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (top < 0) {
    out.text = last_error(directory);
    return out;
  }
  const std::string name = fmt::format("{}-{}.eml", server, id);
  const std::string partial = "." + name + ".part";
  constexpr int kFlags = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW;
  const int file = ::openat(top, partial.c_str(), kFlags, 0600);
  if (file < 0) {
    out.text = last_error(directory + "/" + partial);
    ::close(top);
    return out;
  }
  const auto streamed = stream_message(
      client, id, server,
      [file](const std::string&, std::string_view bytes) { return write_all(file, bytes); });
  errno = 0;
  if (!streamed) {
    out.text = streamed.error().text;
    out.is_connection = streamed.error().is_connection;
  } else if (::fsync(file) != 0 || ::renameat(top, partial.c_str(), top, name.c_str()) != 0 ||
             ::fsync(top) != 0) {
    out.text = last_error(directory + "/" + name);
  } else {
    out.ok = true;
  }
  ::close(file);
  if (!out.ok) ::unlinkat(top, partial.c_str(), 0);
  ::close(top);
  return out;
}

}  // namespace

MovedOut move_to_directory(Client& client, const std::string& id, const std::string& server,
                           const std::string& directory) {
  const auto ask = [&](const char* verb) {
    return client.ask(fmt::format("queue {} {} server={}", verb, id, server));
  };
  const auto held = ask("hold");
  if (!held) return {.is_connection = true, .text = held.error()};
  const bool was_held = !held->ok && held->last.ends_with("is that already");
  if (!held->ok && !was_held) return {.is_busy = held->may_succeed_later, .text = held->last};
  MovedOut written = write_file(client, id, server, directory);
  if (!written.ok) {
    if (!was_held && !written.is_connection) {
      const auto released = ask("release");
      if (!released || !released->ok) written.text += "; it stays held";
    }
    return written;
  }
  const auto deleted = ask("delete");
  if (!deleted) return {.is_connection = true, .text = deleted.error()};
  if (!deleted->ok) return {.is_busy = deleted->may_succeed_later, .text = deleted->last};
  return {.ok = true};
}

}  // namespace mailroot::ctl
