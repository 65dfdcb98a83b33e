// Token answers, good and hostile; words and remedies.
#include "mailroot/oauth/token_answer.h"

#include <doctest/doctest.h>

#include "mailroot/oauth/limits.h"
#include "mailroot/oauth/schedule.h"

namespace mailroot::oauth {

namespace {

using std::chrono::seconds;

http::Answer answer(int status, std::string body, std::string type = "application/json") {
  http::Answer out;
  out.status = status;
  out.content_type = std::move(type);
  out.body = std::move(body);
  return out;
}

Refusal refusal(const http::Answer& given) {
  auto read = read_token_answer(given);
  REQUIRE_FALSE(read.has_value());
  CHECK_FALSE(read.error().text.empty());
  return std::move(read.error());
}

}  // namespace

TEST_CASE("a token, in the forms seen") {
  const auto token = read_token_answer(answer(
      200,
      R"({"token_type":"Bearer","expires_in":3599,"ext_expires_in":1,"access_token":"a.b-c"})"));
  REQUIRE(token.has_value());
  CHECK(token->access_token.reveal() == "a.b-c");
  CHECK(token->lifetime == seconds(3599));
  CHECK(token->refresh_token.empty());
  const auto rotated = read_token_answer(
      answer(200, R"({"access_token":"t","expires_in":"60","refresh_token":"r"})"));
  REQUIRE(rotated.has_value());
  CHECK(rotated->lifetime == seconds(60));
  CHECK(rotated->refresh_token.reveal() == "r");
  const auto bare = read_token_answer(answer(200, R"({"access_token":"t","token_type":"bearer"})"));
  REQUIRE(bare.has_value());
  CHECK(bare->lifetime == kLifetimeUnknown);
  const auto for_ever =
      read_token_answer(answer(200, R"({"access_token":"t","expires_in":1e300})"));
  REQUIRE(for_ever.has_value());
  CHECK(for_ever->lifetime == kLifetimeMax);
}

TEST_CASE("members of wrong types") {
  for (const char* body :
       {R"({})", R"({"access_token":7})", R"({"access_token":""})", R"({"access_token":"a b"})",
        R"({"access_token":"a\u0000b"})", R"({"access_token":"t\u00e9"})",
        R"({"access_token":["t"]})", R"({"access_token":null})",
        R"({"access_token":"t","expires_in":"soon"})", R"({"access_token":"t","expires_in":{}})",
        R"({"access_token":"t","token_type":"mac"})", R"({"access_token":"t","token_type":1})",
        R"({"access_token":"t","refresh_token":false})"}) {
    CAPTURE(body);
    const Refusal why = refusal(answer(200, body));
    CHECK(why.text.starts_with("the token endpoint's answer has no usable "));
    CHECK_FALSE(why.is_final);
  }
}

TEST_CASE("what is no JSON object") {
  CHECK(refusal(answer(200, "<html>", "text/html")).text.contains("web page instead of JSON"));
  CHECK_FALSE(refusal(answer(200, "<html>", "text/html")).is_final);
  CHECK(refusal(answer(404, "<html>", "text/html")).is_final);
  CHECK(refusal(answer(302, "")).text.contains("redirects (302), which is not followed"));
  CHECK(refusal(answer(302, "")).is_final);
  CHECK(refusal(answer(503, "<html>", "text/html")).text.contains("503: it has trouble"));
  CHECK_FALSE(refusal(answer(503, "")).is_final);
  CHECK(refusal(answer(429, "")).text.contains("429: too many requests"));
  for (const char* body :
       {"", "{", "[]", "7", "null", "\"a\"", "{\"access_token\":\"t\"", "{}{}"}) {
    CAPTURE(body);
    CHECK(refusal(answer(200, body)).text == "the token endpoint's answer (200) is no JSON object");
  }
  CHECK(refusal(answer(200, std::string(100'000, '['))).text.contains("no JSON object"));
  CHECK(refusal(answer(200, std::string(100, '['))).text.contains("no JSON object"));
  const std::string large = R"({"access_token":")" + std::string(kAnswerBytesMax, 'a') + "\"}";
  CHECK(refusal(answer(200, large)).text.contains("no JSON object"));
  const std::string long_token =
      R"({"access_token":")" + std::string(kTokenBytesMax + 1, 'a') + "\"}";
  CHECK(refusal(answer(200, long_token)).text.contains("no usable access_token"));
  // An error of HTTP is not outvoted by a token in it.
  CHECK(refusal(answer(500, R"({"access_token":"t"})")).text.contains("500"));
}

TEST_CASE("errors come with what to do") {
  const struct {
    int status;
    const char* body;
    const char* words;
    bool is_final;
  } kCases[] = {
      {401,
       R"({"error":"invalid_client","error_description":)"
       R"("AADSTS7000215: Invalid client secret provided. Trace ID: 1\r\nCorrelation ID: 2"})",
       "401 invalid_client: AADSTS7000215: Invalid client secret provided; the client secret is "
       "wrong",
       true},
      {401, R"({"error":"invalid_client","error_description":"AADSTS7000222: expired"})",
       "has expired: make a new one", true},
      {400, R"({"error":"invalid_grant","error_description":"AADSTS700082: inactive"})",
       "run mailrootctl oauth login", true},
      {400, R"({"error":"invalid_grant","error_description":"Token has been expired or revoked."})",
       "log in anew", true},
      {400, R"({"error":"invalid_grant"})", "not valid any more", true},
      {401,
       R"({"error":"unauthorized_client","error_description":)"
       R"("Client is unauthorized to retrieve access tokens using this method"})",
       "domain-wide delegation", true},
      {400, R"({"error":"temporarily_unavailable"})", "temporarily_unavailable", false},
      {429, R"({"error":"slow_down"})", "429 slow_down", false},
      {503, R"({"error":"server_error"})", "503", false},
      {400, R"({"error":{"code":7}})", "400", true},
      {200, R"({"error":"odd","access_token":"t"})", "200 odd", true},
  };
  for (const auto& c : kCases) {
    CAPTURE(c.body);
    const Refusal why = refusal(answer(c.status, c.body));
    CAPTURE(why.text);
    CHECK(why.text.contains(c.words));
    CHECK(why.is_final == c.is_final);
    CHECK_FALSE(why.text.contains('\n'));
    CHECK(why.text.size() < 1000);
  }
}

TEST_CASE("device answers") {
  const auto device = read_device_answer(
      answer(200, R"({"device_code":"d","user_code":"ABC-DEF","verification_uri":"https://x/",)"
                  R"("interval":0,"expires_in":900})"));
  REQUIRE(device.has_value());
  CHECK(device->user_code == "ABC-DEF");
  CHECK(device->interval == seconds(1));
  for (const char* body :
       {R"({"user_code":"a","verification_uri":"https://x/"})",
        R"({"device_code":"d","verification_uri":"https://x/"})",
        R"({"device_code":"d","user_code":"a"})",
        R"({"device_code":"d","user_code":"a","verification_uri":"javascript:"})",
        R"({"error":"invalid_client"})", "[]"}) {
    CAPTURE(body);
    CHECK_FALSE(read_device_answer(answer(200, body)).has_value());
  }
}

TEST_CASE("when a token is renewed, and when a failure is tried again") {
  const Instant now{std::chrono::hours(1)};
  for (const uint64_t random : {0ULL, 999ULL, 12345678ULL}) {
    const Lifetime hour = lifetime_of(now, seconds(3600), random);
    CHECK(hour.usable_until == now + seconds(3540));
    CHECK(hour.renew_at >= now + seconds(1800));
    CHECK(hour.renew_at < now + seconds(2160));
    const Lifetime brief = lifetime_of(now, seconds(4), random);
    CHECK(brief.usable_until == now + seconds(3));
    CHECK(brief.renew_at < brief.usable_until);
    const Lifetime none = lifetime_of(now, seconds(0), random);
    CHECK(none.usable_until == now);
    CHECK(lifetime_of(now, seconds(-5), random).usable_until == now);
  }
  CHECK(backoff_of(1, false, {}) == kBackoffMin);
  CHECK(backoff_of(2, false, {}) == 2 * kBackoffMin);
  CHECK(backoff_of(1000, false, {}) == kBackoffMax);
  CHECK(backoff_of(1, true, {}) == kBackoffRefused);
  CHECK(backoff_of(1, false, seconds(77)) == seconds(77));
  CHECK(backoff_of(1000, false, seconds(1)) == kBackoffMax);
}

}  // namespace mailroot::oauth
