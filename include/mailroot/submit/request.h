// What sendmail(1) says to the submission service, and the message that is made of it. Pure.
//
//   mailroot-submit 1
//   sender <ann@example.com>        left out: the user of the process, at the machine's name
//   name Ann Example                for a missing From field
//   notify failure,delay            as DSN's NOTIFY; ret full|headers; envid text
//   header-recipients               To, Cc and Bcc too
//   recipient root, bob@example.org
//   size 123                        last; then an empty line and exactly so many bytes
//
// The answer is one line: an exit code of sysexits.h, a blank, a sentence.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mailroot/base/time.h"
#include "mailroot/smtp/envelope.h"

namespace mailroot::submit {

struct Request {
  std::optional<std::string> sender;
  std::string name;
  std::string notify;
  std::string ret;
  std::string envelope_id;
  bool header_recipients = false;
  std::vector<std::string> recipients;
  uint64_t size_bytes = 0;
};

// Line ends within the values become blanks.
std::string encode_head(const Request& request);
// `head`: up to and with the empty line. The error is a sentence.
std::expected<Request, std::string> parse_head(std::string_view head);

struct Failure {
  int code = 0;  // sysexits.h
  std::string text;
};

struct Submitter {
  uint32_t uid = 0;
  std::string user;      // its name
  std::string mailname;  // of bare addresses
  WallTime now;
  std::string unique;  // a word no other submission has
};

struct Submission {
  smtp::Envelope envelope;
  std::string content;  // CRLF lines, with Received, Date, Message-ID, From; without Bcc
};

std::expected<Submission, Failure> make_submission(const Request& request, std::string_view content,
                                                   const Submitter& submitter);

// The Pickup file: an envelope block as the queue's (message/queue_file.h), so that nothing in the
// content can become envelope and DSN parameters are kept.
std::string pickup_file(const Submission& submission, WallTime now);

}  // namespace mailroot::submit
