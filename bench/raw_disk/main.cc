// Sequential O_DIRECT write rate of the file system under a directory: the limit that large
// messages are compared with.

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "measure.h"
#include "text.h"

namespace mailroot::bench {
namespace {

constexpr size_t kAlignment = 4096;

struct Plan {
  std::string directory = ".";
  uint64_t total_bytes = uint64_t{1} << 30;
  uint64_t block_bytes = uint64_t{1} << 20;
  uint32_t in_flight = 4;
  bool json = false;
};

struct Free {
  void operator()(char* memory) const { std::free(memory); }
};

/// Writes the file's blocks in order, `in_flight` threads taking the next one in turn.
/// Returns the seconds incl. the final fdatasync, or a negative number with errno.
double write_once(const Plan& plan, int file) {
  std::atomic<uint64_t> next{0};
  std::atomic<int> error{0};
  uint64_t blocks = plan.total_bytes / plan.block_bytes;
  uint64_t started_ns = now_ns();
  {
    std::vector<std::jthread> threads;
    for (uint32_t i = 0; i < plan.in_flight; ++i) {
      threads.emplace_back([&] {
        std::unique_ptr<char, Free> block(
            static_cast<char*>(std::aligned_alloc(kAlignment, plan.block_bytes)));
        std::memset(block.get(), 'm', plan.block_bytes);
        for (uint64_t at = next.fetch_add(1); at < blocks && error == 0; at = next.fetch_add(1)) {
          auto offset = static_cast<off_t>(at * plan.block_bytes);
          if (pwrite(file, block.get(), plan.block_bytes, offset) !=
              static_cast<ssize_t>(plan.block_bytes)) {
            error = errno != 0 ? errno : EIO;
          }
        }
      });
    }
  }
  if (error == 0 && fdatasync(file) < 0) {
    error = errno;
  }
  errno = error;
  return error != 0 ? -1.0 : static_cast<double>(now_ns() - started_ns) / 1e9;
}

int measure(const Plan& plan) {
  std::string path = plan.directory + "/raw-disk.tmp";
  int file = open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_DIRECT | O_CLOEXEC, 0600);
  if (file < 0) {
    fmt::print(stderr, "raw-disk: {}: {}\n", path, std::strerror(errno));
    return 1;
  }
  double fresh_s = write_once(plan, file);                          // blocks are allocated
  double again_s = fresh_s < 0 ? fresh_s : write_once(plan, file);  // blocks are there
  int error = errno;
  close(file);
  unlink(path.c_str());
  if (again_s < 0) {
    fmt::print(stderr, "raw-disk: {}: {}\n", path, std::strerror(error));
    return 1;
  }
  double bytes = static_cast<double>(plan.total_bytes);
  if (plan.json) {
    fmt::print(R"({{"tool":"raw-disk","total_bytes":{},"block_bytes":{},"in_flight":{},)"
               R"("new_file_bytes_per_s":{:.0f},"rewrite_bytes_per_s":{:.0f}}})"
               "\n",
               plan.total_bytes, plan.block_bytes, plan.in_flight, bytes / fresh_s,
               bytes / again_s);
  } else {
    fmt::print("new file {:.0f} MB/s, written again {:.0f} MB/s\n", bytes / fresh_s / 1e6,
               bytes / again_s / 1e6);
  }
  return 0;
}

}  // namespace
}  // namespace mailroot::bench

int main(int argc, char** argv) {
  mailroot::bench::Plan plan;
  std::string total = "1G";
  std::string block = "1M";
  CLI::App app{"mailroot-raw-disk: sequential O_DIRECT write rate"};
  app.add_option("--directory", plan.directory, "Where to write (the file is removed again)");
  app.add_option("--total", total, "Bytes to write; K, M, G");
  app.add_option("--block", block, "Bytes a write; a multiple of 4K");
  app.add_option("--in-flight", plan.in_flight, "Writes at once")->check(CLI::Range(1, 64));
  app.add_flag("--json", plan.json, "Print one JSON object");
  CLI11_PARSE(app, argc, argv);
  auto total_bytes = mailroot::bench::parse_size(total);
  auto block_bytes = mailroot::bench::parse_size(block);
  if (!total_bytes || !block_bytes || *block_bytes == 0 || *block_bytes % 4096 != 0 ||
      *block_bytes > (1U << 30) || *total_bytes < *block_bytes) {
    fmt::print(stderr, "raw-disk: --block is a multiple of 4K up to 1G, --total at least one\n");
    return 2;
  }
  plan.total_bytes = *total_bytes;
  plan.block_bytes = *block_bytes;
  return mailroot::bench::measure(plan);
}
