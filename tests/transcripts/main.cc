// Runs the transcripts of the files given; exit status 1 if any case fails or none was found.
#include <cstdio>
#include <fstream>
#include <sstream>

#include "transcript.h"

namespace test = mailroot::smtp::test;

int main(int argc, char** argv) {
  size_t cases = 0;
  size_t failed = 0;
  for (int i = 1; i < argc; ++i) {
    std::stringstream text;
    text << std::ifstream(argv[i], std::ios::binary).rdbuf();
    std::vector<std::string> problems;
    const auto transcripts = test::parse_transcripts(text.str(), problems);
    if (transcripts.empty()) problems.push_back("no case in this file");
    failed += problems.size();
    for (const std::string& problem : problems) std::printf("%s: %s\n", argv[i], problem.c_str());
    for (const test::Transcript& transcript : transcripts) {
      ++cases;
      const auto wrong = test::run_transcript(transcript);
      if (wrong.empty()) continue;
      ++failed;
      std::printf("%s: %s\n", argv[i], transcript.name.c_str());
      for (const std::string& line : wrong) std::printf("       %s\n", line.c_str());
    }
  }
  std::printf("%zu cases, %zu failed\n", cases, failed);
  return failed == 0 && cases > 0 ? 0 : 1;
}
