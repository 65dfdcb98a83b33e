// The pure parts of test-mail.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "mailroot/base/address.h"

namespace mailroot::ctl {

// Where a client reaches a listener ("all-unassigned:25", "192.0.2.1:25", "[::1]:25").
std::optional<SocketAddress> address_of_listener(const std::string& listening);
// The queue id in "2.6.0 <00000001000000000001> Queued mail for delivery"; "" when there is none.
std::string queue_id_in(const std::string& reply_text);
// Of `queue show`: tried, and to be tried again.
bool is_deferred(const nlohmann::json& shown);

// The message, with CRLF line ends and its final dot.
struct TestMail {
  std::string from, to;  // addresses
  std::string host;      // this machine's name
  std::string date;      // RFC 5322
  std::string token;     // of the Message-ID, unique
};
std::string content_of(const TestMail& mail);

}  // namespace mailroot::ctl
