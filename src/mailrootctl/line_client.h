// An SMTP client that says one line and waits for the reply (RFC 5321 2.4): for tools, not for
// speed. Blocks, never longer than it was told.
#pragma once

#include <chrono>
#include <expected>
#include <string>
#include <string_view>

#include "mailroot/base/address.h"
#include "mailroot/smtp/reply_parser.h"

namespace mailroot::ctl {

class LineClient {
 public:
  LineClient() = default;
  ~LineClient();
  LineClient(const LineClient&) = delete;
  LineClient& operator=(const LineClient&) = delete;

  // `patience` is for the connection, and for each later call as a whole, however slowly the peer
  // drips. Errors are sentences with the system's reason, "Connection timed out" among them.
  std::expected<void, std::string> connect(const SocketAddress& peer,
                                           std::chrono::seconds patience);
  std::expected<smtp::Reply, std::string> read_reply();
  std::expected<void, std::string> send(std::string_view bytes);
  // Sends the line and its CRLF, and waits.
  std::expected<smtp::Reply, std::string> ask(std::string_view line);

 private:
  std::expected<void, std::string> wait_until(std::chrono::steady_clock::time_point end,
                                              int option);

  int socket_ = -1;
  std::chrono::seconds patience_{0};
  std::string pending_;
  smtp::ReplyParser parser_;
};

// "250 2.0.0 ok", a reply of several lines as one.
std::string to_line(const smtp::Reply& reply);

}  // namespace mailroot::ctl
