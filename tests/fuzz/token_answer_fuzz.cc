// Answers of token endpoints: any status, any octets. The oracles: a token is one printable word
// within its limit; a refusal has words of one line; nothing throws.
#include <algorithm>
#include <string>

#include "fuzz.h"
#include "mailroot/oauth/limits.h"
#include "mailroot/oauth/token_answer.h"

using namespace mailroot;
using mailroot::fuzz::check;

namespace {

bool is_one_line(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c >= 0x20 && c <= 0x7E; });
}

void check_refusal(const oauth::Refusal& refusal) {
  check(!refusal.text.empty() && is_one_line(refusal.text), "words in one line");
  check(refusal.text.size() < 4 * oauth::kWordsMax, "bounded words");
  check(is_one_line(refusal.error), "an error in one line");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr int kStatuses[] = {200, 302, 400, 401, 429, 503};
  fuzz::Steering steering(fuzz::as_text(data, size));
  http::Answer answer;
  const uint8_t kind = steering.octet();
  answer.status = kStatuses[kind % std::size(kStatuses)];
  answer.content_type = (kind & 64) != 0 ? "text/html" : "application/json";
  answer.body = steering.rest();
  const auto token = oauth::read_token_answer(answer);
  if (token) {
    const std::string& text = token->access_token.reveal();
    check(answer.status == 200, "a token comes with 200");
    check(!text.empty() && text.size() <= oauth::kTokenBytesMax, "a token within its limit");
    check(is_one_line(text) && !text.contains(' '), "a token is one word");
    check(token->lifetime.count() >= 0 && token->lifetime <= oauth::kLifetimeMax, "a lifetime");
    check(is_one_line(token->refresh_token.reveal()), "a refresh token in one line");
  } else {
    check_refusal(token.error());
  }
  const auto device = oauth::read_device_answer(answer);
  if (device) {
    check(is_one_line(device->user_code) && is_one_line(device->verification_url), "to be shown");
    check(device->interval.count() >= 1, "no endless loop");
  } else {
    check_refusal(device.error());
  }
  return 0;
}
