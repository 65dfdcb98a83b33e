// Replies as Microsoft 365, Gmail and others give them, and what is said about them.
#include <doctest/doctest.h>

#include "mailroot/smtp/reply_advice.h"

namespace mailroot::smtp {

namespace {

DeliveryOutcome outcome(uint16_t code, std::string enhanced, std::string text) {
  DeliveryOutcome out;
  out.reply_code = code;
  out.enhanced_code = std::move(enhanced);
  out.text = std::move(text);
  return out;
}

}  // namespace

TEST_CASE("refusals that are known come with what to do") {
  const struct {
    uint16_t code;
    const char* enhanced;
    const char* text;
    const char* words;
  } kCases[] = {
      {535, "5.7.139",
       "Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant.",
       "set authentication: oauth2"},
      {550, "5.7.30", "Basic authentication is not supported for Client Submission.",
       "basic authentication is off for this mailbox: set authentication: oauth2"},
      {550, "5.7.60", "SMTP; Client does not have permissions to send as this sender",
       "grant Send As"},
      {554, "5.2.0", "STOREDRV.Submission.Exception:SendAsDeniedException", "grant Send As"},
      {535, "5.7.3", "Authentication unsuccessful [X.PROD.OUTLOOK.COM]", "SMTP.SendAsApp"},
      {530, "5.7.57", "Client not authenticated to send mail.", "wants a login first"},
      {535, "5.7.8", "Username and Password not accepted.", "app password"},
      {534, "5.7.9", "Application-specific password required.", "app password"},
      {421, "4.7.500", "Server busy. Please try again later", "by itself"},
      {432, "4.3.2", "STOREDRV.ClientSubmit; sender thread limit exceeded", ""},
      {550, "5.7.1", "Invalid credentials for relay [192.0.2.1]", "SMTP relay service"},
      {554, "5.0.0", "Message rejected: Email address is not verified.", "Amazon SES"},
      {550, "5.1.1", "no such user", ""},
      {550, "5.7.1", "see case 15.7.601", ""},
      {250, "2.0.0", "5.7.30", ""},
  };
  for (const auto& c : kCases) {
    CAPTURE(c.text);
    const auto given = outcome(c.code, c.enhanced, c.text);
    const std::string advice(advice_for(given));
    CAPTURE(advice);
    CHECK(advice.empty() == std::string_view(c.words).empty());
    CHECK(advice.contains(c.words));
    const std::string line = summary_with_advice(given);
    CHECK(line.starts_with(summary(given)));
    CHECK(line.contains(" -- ") == !advice.empty());
  }
}

TEST_CASE("which refusals are about the login") {
  CHECK(is_about_login(outcome(530, "5.7.57", "")));
  CHECK(is_about_login(outcome(535, "5.7.8", "")));
  CHECK(is_about_login(outcome(550, "5.7.30", "")));
  CHECK_FALSE(is_about_login(outcome(550, "5.7.60", "")));
  CHECK_FALSE(is_about_login(outcome(550, "5.1.1", "")));
}

}  // namespace mailroot::smtp
