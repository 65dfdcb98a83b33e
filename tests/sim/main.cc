// mailroot-sim: the whole product in simulated worlds.
#include <fmt/format.h>

#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string_view>

#include "run.h"

namespace mailroot::simtest {

namespace {

uint64_t seed_at_work = 0;

// The program asserted: whose fault it is stands in its line, this says how to see it again.
void name_seed(int) { fmt::print(stderr, "mailroot-sim: at seed {}\n", seed_at_work); }

constexpr uint64_t kRepeatEvery = 8;  // seeds run twice, for oracle 7

struct Arguments {
  uint64_t first = 0, last = 0;
  bool is_traced = false, is_verbose = false;
};

std::optional<uint64_t> number(std::string_view text) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<Arguments> parse(int argc, char** argv) {
  Arguments arguments;
  bool has_seeds = false;
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    const std::string_view value = i + 1 < argc ? argv[i + 1] : "";
    if (word == "--verbose") {
      arguments.is_verbose = true;
    } else if (word == "--quiet") {
      arguments.is_traced = false;
    } else if (word == "--seed" && number(value)) {
      arguments.first = arguments.last = *number(value);
      arguments.is_traced = has_seeds = true;
      ++i;
    } else if (word == "--seeds" && value.contains("..")) {
      const auto first = number(value.substr(0, value.find("..")));
      const auto last = number(value.substr(value.find("..") + 2));
      if (!first || !last) return std::nullopt;
      arguments.first = *first;
      arguments.last = *last;
      has_seeds = true;
      ++i;
    } else {
      return std::nullopt;
    }
  }
  return has_seeds ? std::optional(arguments) : std::nullopt;
}

bool run_one(uint64_t seed, const Arguments& arguments) {
  RunOptions options;
  if (arguments.is_traced) options.trace = [](std::string_view line) { fmt::print("{}\n", line); };
  RunResult result = run_seed(seed, options);
  if (!arguments.is_traced && seed % kRepeatEvery == 0 &&
      run_seed(seed, options).trace_hash != result.trace_hash) {
    result.violations.push_back("7: another trace from the same seed");
  }
  for (const std::string& violation : result.violations) {
    fmt::print("seed {}: oracle {}\n", seed, violation);
  }
  if (arguments.is_traced || arguments.is_verbose) {
    fmt::print(
        "seed {}: hash {:016x}, {} steps, {} promises, {} deliveries, {} reports, {} deaths\n",
        seed, result.trace_hash, result.steps, result.promises, result.deliveries, result.reports,
        result.deaths);
  }
  std::fflush(stdout);
  return result.violations.empty();
}

int run_all(int argc, char** argv) {
  const auto arguments = parse(argc, argv);
  if (!arguments) {
    fmt::print(stderr, "usage: mailroot-sim (--seed N [--quiet] | --seeds A..B) [--verbose]\n");
    return 2;
  }
  std::signal(SIGABRT, name_seed);
  setvbuf(stdout, nullptr, _IOLBF, 0);  // what a hang or an assertion leaves behind
  uint64_t failed = 0;
  for (uint64_t seed = arguments->first; seed <= arguments->last; ++seed) {
    seed_at_work = seed;
    if (!run_one(seed, *arguments)) ++failed;
  }
  fmt::print("{} seeds, {} failed\n", arguments->last - arguments->first + 1, failed);
  return failed == 0 ? 0 : 1;
}

}  // namespace

}  // namespace mailroot::simtest

int main(int argc, char** argv) { return mailroot::simtest::run_all(argc, argv); }
