// Any octets as a virtual server file and as a service file: problems or values, never a crash; and
// what was read, printed and read again is the same.
#include "fuzz.h"
#include "record.h"
#include "server_checks.h"

using namespace mailroot::config;
using mailroot::fuzz::check;

namespace {

// Each problem is one line for a person's terminal, whatever the file held.
void check_problems(ProblemList& problems) {
  for (const auto& problem : problems.take()) {
    const std::string text = problem.to_string();
    check(!problem.text.empty(), "a problem says what is wrong");
    check(text.find_first_of("\n\r\x1b") == std::string::npos, "a problem is one plain line");
  }
}

void check_whole(const VirtualServer& server, Context& context, ProblemList& problems) {
  std::vector<std::string> warnings;
  check_server(server, context, warnings);
  check_problems(problems);
}
void check_whole(const Service&, Context&, ProblemList&) {}

template <class S>
void read_twice(std::string_view text, const KeyTable<S>& table, const S& initial) {
  ProblemList problems;
  Context context("/fuzz/a.yaml", problems);
  S first = initial;
  if (!read_document(text, table, context, first)) {
    check_problems(problems);
    return;
  }
  const bool right = problems.empty();
  check_problems(problems);
  check_whole(first, context, problems);
  if (!right) return;
  const std::string printed = render_effective(first);
  ProblemList none;
  Context again("/fuzz/a.yaml", none);
  S second;
  check(read_document(printed, table, again, second), "what is printed is YAML");
  check(none.empty(), "what is printed is right");
  check(render_effective(second) == printed, "what is printed means the same");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text = mailroot::fuzz::as_text(data, size);
  VirtualServer server;
  server.home_directory = "/home";
  read_twice(text, server_keys(), server);
  read_twice(text, service_keys(), Service{});
  return 0;
}
