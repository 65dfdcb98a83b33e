// Runs a fuzz target without a fuzzing engine: every file of the directories given, then mutations
// of them from a fixed seed. An input that stops the process is left in crash-input.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "fuzz.h"

namespace {

constexpr int kMutations = 4000;
constexpr size_t kInputMax = 16 * 1024;
constexpr std::string_view kTokens[] = {
    "\r\n",  "\r",   "\n",       ".",        "\r\n.\r\n", "..",       "<",       ">",
    "@",     "\"",   "\\",       ":",        " ",         "=",        "+0D",     "BDAT ",
    " LAST", "\xf5", "\xc3\xbc", "99999999", "[::1]",     "RSET\r\n", "DATA\r\n"};

// The input under way, for the signal handler.
const std::string* current_input = nullptr;

void keep_input(int) {
  const int file = ::open("crash-input", O_CREAT | O_WRONLY | O_TRUNC, 0644);
  if (file >= 0 && current_input != nullptr) {
    [[maybe_unused]] const ssize_t written =
        ::write(file, current_input->data(), current_input->size());
  }
}

void run(const std::string& input) {
  current_input = &input;
  // A block of its own size, so that a sanitizer sees every octet read too much.
  const std::vector<uint8_t> exact(input.begin(), input.end());
  LLVMFuzzerTestOneInput(exact.data(), exact.size());
  current_input = nullptr;
}

class Random {
 public:
  // xorshift64*, enough to spread mutations.
  size_t below(size_t bound) {
    state_ ^= state_ >> 12;
    state_ ^= state_ << 25;
    state_ ^= state_ >> 27;
    return static_cast<size_t>((state_ * 2685821657736338717u) >> 33) % (bound == 0 ? 1 : bound);
  }

 private:
  uint64_t state_ = 0x9e3779b97f4a7c15u;
};

void mutate(std::string& input, const std::vector<std::string>& corpus, Random& random) {
  const size_t at = random.below(input.size() + 1);
  switch (random.below(6)) {
    case 0:
      if (at < input.size()) input[at] = static_cast<char>(random.below(256));
      break;
    case 1:
      input.insert(at, kTokens[random.below(std::size(kTokens))]);
      break;
    case 2:
      input.erase(at, 1 + random.below(16));
      break;
    case 3:
      input.insert(at, input.substr(random.below(input.size() + 1), random.below(64)));
      break;
    case 4: {
      const std::string& other = corpus[random.below(corpus.size())];
      input.insert(at, other.substr(random.below(other.size() + 1), random.below(128)));
      break;
    }
    default:
      if (at < input.size()) input[at] = static_cast<char>(input[at] ^ (1 << random.below(8)));
      break;
  }
  if (input.size() > kInputMax) input.resize(kInputMax);
}

std::vector<std::string> read_corpus(int argc, char** argv) {
  std::vector<std::filesystem::path> paths;
  for (int i = 1; i < argc; ++i) {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(argv[i])) {
      if (entry.is_regular_file()) paths.push_back(entry.path());
    }
  }
  std::sort(paths.begin(), paths.end());
  std::vector<std::string> corpus;
  for (const auto& path : paths) {
    std::ifstream file(path, std::ios::binary);
    corpus.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  }
  return corpus;
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGABRT, keep_input);
  const std::vector<std::string> corpus = read_corpus(argc, argv);
  if (corpus.empty()) {
    std::fprintf(stderr, "no corpus: give its directory\n");
    return 1;
  }
  for (const std::string& input : corpus) run(input);
  Random random;
  for (int i = 0; i < kMutations; ++i) {
    std::string input = corpus[random.below(corpus.size())];
    for (size_t n = 1 + random.below(6); n > 0; --n) mutate(input, corpus, random);
    run(input);
  }
  std::printf("%zu seeds, %d mutations\n", corpus.size(), kMutations);
  return 0;
}
