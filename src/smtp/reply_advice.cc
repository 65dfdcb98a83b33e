#include "mailroot/smtp/reply_advice.h"

#include <array>

namespace mailroot::smtp {

namespace {

struct Advice {
  uint16_t code;           // 0: any
  std::string_view words;  // in the enhanced code and text; empty: any
  std::string_view sentence;
};

// The first that fits. Microsoft: "Fix issues with printers, scanners, and LOB applications that
// send email" and "Error codes for mail flow"; Google: "SMTP error reference".
constexpr std::array kAdvice = {
    Advice{0, "5.7.139",
           "Microsoft 365 refuses this login: SMTP AUTH or basic authentication is off for the "
           "tenant or the mailbox; set authentication: oauth2, or have an administrator allow "
           "authenticated SMTP for the mailbox"},
    Advice{0, "SmtpClientAuthentication is disabled",
           "authenticated SMTP is off: have an administrator allow it for the mailbox "
           "(Set-CASMailbox -SmtpClientAuthenticationDisabled $false)"},
    Advice{0, "5.7.30", "basic authentication is off for this mailbox: set authentication: oauth2"},
    Advice{0, "5.7.60",
           "the login has no right to send as this sender: grant Send As on the sender's mailbox, "
           "or use its address as username"},
    Advice{0, "SendAsDenied",
           "the login has no right to send as this sender: grant Send As on the sender's mailbox, "
           "or use its address as username"},
    Advice{0, "5.7.57",
           "the host wants a login first: set delivery.security.authentication and username"},
    Advice{0, "5.7.64",
           "the connector does not know this server: register its address or certificate in the "
           "inbound connector, and send from an accepted domain"},
    Advice{535, "5.7.3",
           "Microsoft 365 refuses the login: for oauth2 grant the application SMTP.SendAsApp, "
           "register its service principal in Exchange Online and give it rights on the mailbox "
           "in username"},
    Advice{
        0, "5.2.252",
        "the mailbox sends too fast: lower delivery.outbound.connections, or ask for High Volume "
        "Email"},
    Advice{0, "5.1.90", "the mailbox has reached its recipients for today"},
    Advice{0, "5.7.708", "Microsoft takes no mail from this address: use a login or a connector"},
    Advice{0, "5.7.750",
           "the sender's domain is not registered in the tenant: send from an accepted domain"},
    Advice{0, "4.7.500", "the host is busy; mail is sent again by itself"},
    Advice{0, "4.7.26",
           "the sender's domain needs SPF or DKIM that fits before Gmail takes its mail"},
    Advice{0, "4.3.2 STOREDRV",
           "the mailbox sends on too many connections: set delivery.outbound.per_domain: 3"},
    Advice{0, "Concurrent connections limit exceeded",
           "the mailbox sends on too many connections: set delivery.outbound.per_domain: 3"},
    Advice{0, "Daily user sending",
           "the Gmail account has reached its messages for today; they go out tomorrow"},
    Advice{
        534, "5.7.9",
        "Google wants an app password: make one for this account, or set authentication: oauth2"},
    Advice{534, "5.7.14", "Google wants somebody to log in by a browser first, as this account"},
    Advice{535, "5.7.8", "user name or password is wrong, or (Gmail) an app password is needed"},
    Advice{0, "5.7.26",
           "the sender's domain fails SPF and DKIM at Gmail: publish them, or use a sender of the "
           "account's domain"},
    Advice{0, "Mail relay denied",
           "the Workspace relay does not know this server: add its address to the SMTP relay "
           "service, or log in"},
    Advice{0, "Invalid credentials for relay",
           "the Workspace relay does not know this server: add its address to the SMTP relay "
           "service, or log in"},
    Advice{0, "Email address is not verified",
           "Amazon SES knows neither sender nor domain in this region: verify it there"},
    Advice{0, "Maximum sending rate exceeded",
           "Amazon SES's sending rate is reached; mail is sent again by itself"},
    Advice{0, "does not match a verified Sender Identity",
           "SendGrid does not know this sender: verify it or its domain there"},
    Advice{530, "5.7.0",
           "the host wants TLS or a login first: set delivery.security.tls and authentication"},
};

// "5.7.3" is not part of "5.7.30".
bool has_words(std::string_view text, std::string_view words) {
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  for (size_t at = text.find(words); at != text.npos; at = text.find(words, at + 1)) {
    const size_t end = at + words.size();
    const bool goes_on = end < text.size() && is_digit(text[end]) && is_digit(words.back());
    const bool began_before = at > 0 && is_digit(text[at - 1]) && is_digit(words.front());
    if (!goes_on && !began_before) return true;
  }
  return words.empty();
}

}  // namespace

std::string_view advice_for(const DeliveryOutcome& outcome) {
  if (outcome.reply_code < 400) return {};
  for (const Advice& advice : kAdvice) {
    if (advice.code != 0 && advice.code != outcome.reply_code) continue;
    if (has_words(outcome.enhanced_code, advice.words) || has_words(outcome.text, advice.words)) {
      return advice.sentence;
    }
  }
  return {};
}

std::string summary_with_advice(const DeliveryOutcome& outcome) {
  std::string out = summary(outcome);
  const std::string_view advice = advice_for(outcome);
  if (!advice.empty()) out += " -- " + std::string(advice);
  return out;
}

bool is_about_login(const DeliveryOutcome& outcome) {
  const uint16_t code = outcome.reply_code;
  return code == 530 || code == 534 || code == 535 || code == 538 ||
         outcome.enhanced_code == "5.7.57" || outcome.enhanced_code == "5.7.30" ||
         outcome.enhanced_code == "5.7.139";
}

}  // namespace mailroot::smtp
