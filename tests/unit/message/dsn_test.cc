#include "mailroot/message/dsn.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "mailroot/message/trace.h"

namespace mailroot::message {

namespace {

const std::string kOriginal = "Subject: hello\r\nFrom: ann@example.com\r\n\r\nbody\r\n";

struct Setup {
  Setup() {
    envelope.reverse_path = {.local_part = "ann", .domain = "example.com"};
    add("bob", {.disposition = smtp::Disposition::failed,
                .scope = smtp::OutcomeScope::recipient,
                .stage = smtp::Stage::recipient,
                .reply_code = 550,
                .enhanced_code = "5.1.1",
                .text = "no such user",
                .remote_host = "mx.example.org [192.0.2.1]:25"});
  }
  void add(const char* name, smtp::DeliveryOutcome outcome) {
    envelope.recipients.push_back({.address = {.local_part = name, .domain = "example.org"},
                                   .notify = {},
                                   .original_recipient = {}});
    outcomes.push_back(std::move(outcome));
  }
  Dsn build() {
    DsnRequest request;
    request.kind = kind;
    request.original = &envelope;
    for (size_t i = 0; i < envelope.recipients.size(); ++i)
      request.recipients.push_back({.recipient = &envelope.recipients[i],
                                    .outcome = no_outcome ? nullptr : &outcomes[i],
                                    .expired = expired,
                                    .last_attempt_at = last_attempt_at});
    request.reporting_mta = "relay.example.com";
    request.default_domain = "example.com";
    request.original_queue_id = "00000001000000000001";
    request.received_from = received_from;
    request.arrived_at = parse_iso_time("2026-03-05T09:30:00.000Z").value();
    request.now = parse_iso_time("2026-03-05T10:00:00.000Z").value();
    request.retry_until = retry_until;
    request.own_queue_id = "00000001000000000002";
    request.content_size_bytes = kOriginal.size();
    request.header_size_bytes = kOriginal.find("\r\n\r\n") + 2;
    request.traits = traits;
    request.full_size_limit_bytes = limit;
    return build_dsn(request);
  }
  std::string text() {
    const Dsn dsn = build();
    REQUIRE(dsn.original_bytes <= kOriginal.size());
    const std::string whole = dsn.prefix + kOriginal.substr(0, dsn.original_bytes) + dsn.suffix;
    CHECK(whole.size() == dsn.size_bytes());
    check_lines(whole);
    return whole;
  }
  static void check_lines(std::string_view whole) {
    size_t length = 0;
    for (size_t i = 0; i < whole.size(); ++i) {
      const bool line_end = whole[i] == '\n';
      if (line_end) CHECK(whole[i - 1] == '\r');
      if (whole[i] == '\r') CHECK(whole[i + 1] == '\n');
      length = line_end ? 0 : length + 1;
      CHECK(length <= 999);
    }
  }

  smtp::Envelope envelope;
  std::vector<smtp::DeliveryOutcome> outcomes;
  DsnKind kind = DsnKind::failed;
  bool expired = false, no_outcome = false;
  std::optional<WallTime> last_attempt_at, retry_until;
  std::string received_from;
  smtp::ContentTraits traits;
  uint64_t limit = kDsnFullMax;
};

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("a failure report, whole") {
  Setup s;
  s.received_from = "client.example.com";
  s.last_attempt_at = parse_iso_time("2026-03-05T09:59:59.000Z");
  CHECK(s.text() ==
        "From: postmaster@example.com\r\n"
        "To: <ann@example.com>\r\n"
        "Subject: Delivery Status Notification (Failure)\r\n"
        "Date: Thu, 05 Mar 2026 10:00:00 +0000\r\n"
        "Message-ID: <00000001000000000002.1899e99f97a14000@relay.example.com>\r\n"
        "Auto-Submitted: auto-replied\r\n"
        "MIME-Version: 1.0\r\n"
        "Content-Type: multipart/report; report-type=delivery-status;\r\n"
        "\tboundary=\"=_00000001000000000002_1899e99f97a14000\"\r\n"
        "\r\n"
        "This is a MIME-formatted message.\r\n"
        "\r\n"
        "--=_00000001000000000002_1899e99f97a14000\r\n"
        "Content-Type: text/plain; charset=us-ascii\r\n"
        "\r\n"
        "This is an automatically generated Delivery Status Notification.\r\n"
        "\r\n"
        "Delivery to the following recipients failed.\r\n"
        "\r\n"
        "   bob@example.org\r\n"
        "      The mail server mx.example.org [192.0.2.1]:25 answered: 550 5.1.1 no\r\n"
        "      such user\r\n"
        "      There is no such mailbox. Check the address for typing mistakes.\r\n"
        "\r\n"
        "The message was received by relay.example.com on Thu, 05 Mar 2026 09:30:00\r\n"
        "+0000 and had the queue id 00000001000000000001.\r\n"
        "\r\n"
        "--=_00000001000000000002_1899e99f97a14000\r\n"
        "Content-Type: message/delivery-status\r\n"
        "\r\n"
        "Reporting-MTA: dns; relay.example.com\r\n"
        "Received-From-MTA: dns; client.example.com\r\n"
        "Arrival-Date: Thu, 05 Mar 2026 09:30:00 +0000\r\n"
        "\r\n"
        "Final-Recipient: rfc822; bob@example.org\r\n"
        "Action: failed\r\n"
        "Status: 5.1.1\r\n"
        "Remote-MTA: dns; mx.example.org\r\n"
        "Diagnostic-Code: smtp; 550 5.1.1 no such user\r\n"
        "Last-Attempt-Date: Thu, 05 Mar 2026 09:59:59 +0000\r\n"
        "\r\n"
        "--=_00000001000000000002_1899e99f97a14000\r\n"
        "Content-Type: message/rfc822\r\n"
        "\r\n" +
            kOriginal +
            "\r\n"
            "--=_00000001000000000002_1899e99f97a14000--\r\n");
}

TEST_CASE("its envelope goes back to the sender and asks for nothing") {
  const Dsn dsn = Setup().build();
  CHECK(dsn.envelope.reverse_path.is_null());
  REQUIRE(dsn.envelope.recipients.size() == 1);
  CHECK(smtp::to_path(dsn.envelope.recipients[0].address) == "<ann@example.com>");
  CHECK(dsn.envelope.recipients[0].notify.never);
  CHECK(dsn.envelope.body == smtp::BodyType::seven_bit);
  CHECK(dsn.traits == smtp::ContentTraits{});
}

TEST_CASE("who wants which kind") {
  const smtp::Notify unsaid;
  CHECK(is_wanted(DsnKind::failed, unsaid));
  CHECK(is_wanted(DsnKind::delayed, unsaid));
  CHECK_FALSE(is_wanted(DsnKind::relayed, unsaid));
  CHECK_FALSE(is_wanted(DsnKind::delivered, unsaid));
  const smtp::Notify never = {.never = true};
  const smtp::Notify success = {.success = true};
  const smtp::Notify delay = {.delay = true};
  for (const DsnKind kind :
       {DsnKind::failed, DsnKind::delayed, DsnKind::relayed, DsnKind::delivered})
    CHECK_FALSE(is_wanted(kind, never));
  CHECK_FALSE(is_wanted(DsnKind::failed, success));
  CHECK_FALSE(is_wanted(DsnKind::delayed, success));
  CHECK(is_wanted(DsnKind::relayed, success));
  CHECK(is_wanted(DsnKind::delivered, success));
  CHECK(is_wanted(DsnKind::delayed, delay));
  CHECK_FALSE(is_wanted(DsnKind::failed, delay));
}

TEST_CASE("a delay report") {
  Setup s;
  s.kind = DsnKind::delayed;
  s.outcomes[0].enhanced_code = "4.4.2";
  s.outcomes[0].reply_code = 0;
  s.outcomes[0].text = "timed out waiting for the greeting";
  s.retry_until = parse_iso_time("2026-03-07T09:30:00.000Z");
  const std::string text = s.text();
  CHECK(has(text, "Subject: Delivery Status Notification (Delay)\r\n"));
  CHECK(has(text, "YOU DO NOT NEED TO RESEND YOUR MESSAGE."));
  CHECK(has(text, "Action: delayed\r\nStatus: 4.4.2\r\n"));
  CHECK(has(text, "Will-Retry-Until: Sat, 07 Mar 2026 09:30:00 +0000\r\n"));
  CHECK(has(text, "X-Mailroot; 4.4.2") == false);
  CHECK(has(text, "Diagnostic-Code: X-Mailroot; timed out waiting for the greeting\r\n"));
  CHECK(has(text, "text/rfc822-headers\r\n\r\nSubject: hello\r\nFrom: ann@example.com\r\n\r\n--"));
  CHECK_FALSE(has(text, "\r\nbody"));
}

TEST_CASE("relayed and delivered") {
  Setup s;
  s.outcomes[0].enhanced_code = "2.0.0";
  s.outcomes[0].reply_code = 250;
  s.kind = DsnKind::relayed;
  CHECK(has(s.text(), "(Relay)"));
  CHECK(has(s.text(), "Action: relayed\r\nStatus: 2.0.0\r\n"));
  s.kind = DsnKind::delivered;
  CHECK(has(s.text(), "(Success)"));
  CHECK(has(s.text(), "Action: delivered\r\nStatus: 2.0.0\r\n"));
  CHECK_FALSE(has(s.text(), "\r\nbody"));
}

TEST_CASE("a status of the wrong class is not repeated") {
  Setup s;
  s.outcomes[0].enhanced_code = "4.7.1";
  CHECK(has(s.text(), "Status: 5.0.0\r\n"));
  s.expired = true;
  CHECK(has(s.text(), "Status: 4.4.7\r\n"));
  CHECK(has(s.text(), "until its time ran out"));
  s.expired = false;
  s.no_outcome = true;
  CHECK(has(s.text(), "Status: 5.0.0\r\n"));
  CHECK_FALSE(has(s.text(), "Diagnostic-Code"));
}

TEST_CASE("RET, the size limit and binary content decide what comes back") {
  Setup s;
  s.envelope.ret = smtp::Return::headers;
  CHECK(has(s.text(), "text/rfc822-headers"));
  CHECK_FALSE(has(s.text(), "\r\nbody"));
  s.envelope.ret = smtp::Return::full;
  CHECK(has(s.text(), "message/rfc822\r\n"));
  s.limit = kOriginal.size() - 1;
  CHECK(has(s.text(), "text/rfc822-headers"));
  s.limit = kOriginal.size();
  CHECK(has(s.text(), "\r\nbody"));
  s.traits.bare_line_end = true;
  CHECK(s.build().original_bytes == 0);
  CHECK_FALSE(has(s.text(), "rfc822-headers"));
  CHECK_FALSE(has(s.text(), "message/rfc822"));
}

TEST_CASE("ENVID and ORCPT are repeated") {
  Setup s;
  s.envelope.envelope_id = "id 1";
  s.envelope.recipients[0].original_recipient = "rfc822;robert@example.org";
  const std::string text = s.text();
  CHECK(has(text, "Original-Envelope-Id: id 1\r\n"));
  CHECK(has(text, "Original-Recipient: rfc822; robert@example.org\r\nFinal-Recipient: "));
}

TEST_CASE("nothing a peer or sender said can add a line") {
  Setup s;
  s.outcomes[0].text = "no\r\n\r\n--boundary\r\nX-Evil: 1\x1B[31m";
  s.outcomes[0].remote_host = "evil\r\nX-Evil: 1 [192.0.2.1]";
  s.outcomes[0].enhanced_code = "5.1.1\r\nX-Evil: 1";
  s.envelope.envelope_id = "a\r\nX-Evil: 1";
  s.envelope.recipients[0].original_recipient = "rfc822;a\r\nX-Evil: 1";
  s.received_from = "a\r\nX-Evil: 1";
  const std::string text = s.text();
  CHECK_FALSE(has(text, "\nX-Evil"));
  CHECK_FALSE(has(text, "\x1B"));
}

TEST_CASE("8-bit reply text does not make a 7-bit report 8-bit") {
  Setup s;
  s.outcomes[0].text = "inconnu: caf\xC3\xA9";
  const std::string text = s.text();
  CHECK(std::ranges::all_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x80; }));
  CHECK(has(text, "inconnu: caf??"));
}

TEST_CASE("an 8-bit original makes an 8-bit report") {
  Setup s;
  s.traits.eight_bit_body = true;
  Dsn dsn = s.build();
  CHECK(dsn.envelope.body == smtp::BodyType::eight_bit_mime);
  CHECK(dsn.traits.eight_bit_body);
  CHECK(has(dsn.prefix, "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n"));
  CHECK(has(dsn.prefix, "Content-Transfer-Encoding: 8bit\r\n\r\nThis is a MIME"));
  s.envelope.ret = smtp::Return::headers;
  dsn = s.build();
  CHECK(dsn.envelope.body == smtp::BodyType::seven_bit);
  CHECK_FALSE(has(dsn.prefix, "8bit"));
}

TEST_CASE("international addresses use the forms of RFC 6533") {
  Setup s;
  s.envelope.smtputf8 = true;
  s.envelope.recipients[0].address.local_part =
      "b\xC3\xB6"
      "b";
  s.outcomes[0].text = "inconnu: caf\xC3\xA9";
  const Dsn dsn = s.build();
  CHECK(dsn.envelope.smtputf8);
  CHECK(has(dsn.prefix, "report-type=global-delivery-status"));
  CHECK(has(dsn.prefix, "Content-Type: message/global-delivery-status\r\n"));
  CHECK(has(dsn.prefix,
            "Final-Recipient: utf-8; b\xC3\xB6"
            "b@example.org\r\n"));
  CHECK(has(dsn.prefix, "Content-Type: message/global\r\n"));
  CHECK(has(dsn.prefix, "caf\xC3\xA9"));
  CHECK_FALSE(dsn.traits.eight_bit_header);
  s.envelope.reverse_path.local_part = "\xC3\xA4";
  CHECK(s.build().traits.eight_bit_header);
  CHECK(has(s.build().prefix, "To: <\xC3\xA4@example.com>\r\n"));
}

TEST_CASE("an address as long as the rules allow, a reply as long as we keep") {
  Setup s;
  s.envelope.recipients[0].address.local_part = std::string(64, 'x');
  s.envelope.recipients[0].address.domain = std::string(190, 'y') + ".example";
  s.outcomes[0].text = std::string(5000, 'z');
  const std::string text = s.text();
  CHECK(has(text, std::string(64, 'x') + "@" + std::string(190, 'y')));
}

TEST_CASE("a report lists only so many recipients and counts the rest") {
  Setup s;
  for (size_t i = 1; i < kDsnRecipientsMax + 7; ++i) s.add("x", s.outcomes[0]);
  const std::string text = s.text();
  CHECK(has(text, "and 7 more\r\n"));
  size_t groups = 0;
  for (size_t at = text.find("Final-Recipient:"); at != std::string::npos;
       at = text.find("Final-Recipient:", at + 1))
    ++groups;
  CHECK(groups == kDsnRecipientsMax);
}

}  // namespace mailroot::message
