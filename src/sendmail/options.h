// The command line of sendmail(1), as Postfix and sendmail read it. Pure.
#pragma once

#include <expected>
#include <string>
#include <vector>

#include "mailroot/submit/request.h"

namespace mailroot::sendmail {

enum class Mode : uint8_t { send, speak_smtp, list_queue, retry_queue, check_aliases };

struct Options {
  Mode mode = Mode::send;
  bool dot_ends = true;  // a line of one dot ends the message
  submit::Request request;
};

// `program`: the last part of argv[0]; mailq and newaliases have modes of their own.
std::expected<Options, std::string> parse_options(const std::string& program,
                                                  const std::vector<std::string>& words);

}  // namespace mailroot::sendmail
