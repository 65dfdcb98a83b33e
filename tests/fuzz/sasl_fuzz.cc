// Any responses to any mechanism: nobody gets in without a yes, and what is asked is clean.
//
// Input: an octet of the mechanism, one of verdicts (bit by bit), then responses with 0xF5 between.
#include <algorithm>

#include "fuzz.h"
#include "mailroot/sasl/limits.h"
#include "mailroot/sasl/server.h"

using namespace mailroot;
using namespace mailroot::sasl;
using mailroot::fuzz::check;
using Step = ServerExchange::Step;

namespace {

constexpr char kNext = '\xf5';

void check_request(const Request& request) {
  check(request.user.size() <= kNameMax, "a name within its limit");
  check(request.user.empty() || check_name(request.user), "no control characters in a name");
  check(request.secret.size() <= kTokenMax, "a secret within its limit");
  check(request.kind != RequestKind::refuse || !request.why.empty(), "a refusal says why");
  const bool needs_user = request.kind == RequestKind::check_password ||
                          request.kind == RequestKind::scram_keys ||
                          request.kind == RequestKind::scram_proven;
  check(!needs_user || !request.user.empty(), "a user to ask about");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Steering steering(fuzz::as_text(data, size));
  const Mechanism mechanism = kMechanisms[steering.octet() % std::size(kMechanisms)];
  unsigned verdicts = steering.octet();
  static const ScramKeys keys = make_scram_keys("pencil", "0123456789abcdef", 4096);
  ServerExchange exchange(mechanism, {"exporter", "end point"}, (verdicts & 1) != 0);
  std::string_view rest = steering.rest();
  bool accepted = false;
  Step step = Step::challenge;
  if (rest.starts_with(kNext)) {
    step = exchange.begin();
    rest.remove_prefix(1);
  }
  while (step == Step::challenge || step == Step::ask) {
    if (step == Step::challenge) {
      if (rest.empty()) return 0;
      const std::string_view response = rest.substr(0, rest.find(kNext));
      rest.remove_prefix(std::min(rest.size(), response.size() + 1));
      step = exchange.respond(response);
      continue;
    }
    const Request& request = exchange.request();
    check_request(request);
    const bool accept = request.kind != RequestKind::refuse && (verdicts & 2) == 0;
    accepted = accept && request.kind != RequestKind::scram_keys;
    verdicts >>= 1;
    step = exchange.answer({.accept = accept, .keys = keys, .nonce = "server"});
    check(accept || step != Step::done, "nobody gets in against a verdict");
    check(exchange.request().secret.empty(), "secrets are wiped");
  }
  check(step != Step::done || accepted, "nobody gets in without a yes");
  return 0;
}
