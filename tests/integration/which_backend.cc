// Says which backend the automatic choice finds here and why it is not the ring, and proves that it
// works. Exit status 0 when it is the one named.
//
//   which_backend epoll|io_uring [TEXT that the reason must contain]
#include <cstdio>
#include <cstring>
#include <string>

#include "mailroot/reactor/reactor.h"

namespace {

using namespace mailroot;
using namespace mailroot::reactor;

task<void> try_it(Reactor& reactor, bool& works) {
  const result<void> slept =
      co_await reactor.sleep_until(reactor.now() + std::chrono::milliseconds(8), Wait{});
  const result<FileStatus> here = co_await reactor.stat_at(kNoDirectory, ".");
  works = slept.has_value() && here.has_value();
  reactor.stop();
}

bool works_with(std::unique_ptr<Backend> backend) {
  Reactor reactor(std::move(backend), ReactorLimits{});
  TaskGroup group;
  bool works = false;
  reactor.post([&] { group.spawn(try_it(reactor, works)); });
  reactor.run();
  return works;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  std::string why;
  BackendOptions options;
  result<std::unique_ptr<Backend>> automatic = make_backend(BackendChoice::automatic, options, why);
  if (!automatic) {
    std::printf("none: %s\n", why.c_str());
    return 1;
  }
  const std::string name((*automatic)->name());
  std::printf("%s; %s\n", name.c_str(), why.empty() ? "as wished" : why.c_str());
  if (name != argv[1]) return 1;
  if (argc > 2 && why.find(argv[2]) == std::string::npos) return 1;
  // Asked for the ring alone, it fails where the automatic choice fell back.
  std::string refusal;
  const bool has_ring = make_backend(BackendChoice::io_uring, options, refusal).has_value();
  if (has_ring != (name == "io_uring")) return 1;
  return works_with(std::move(*automatic)) ? 0 : 1;
}
