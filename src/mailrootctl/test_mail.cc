#include "test_mail.h"

#include <fmt/format.h>

#include <sstream>

#include "mailroot/base/queue_id.h"

namespace mailroot::ctl {

std::optional<SocketAddress> address_of_listener(const std::string& listening) {
  constexpr std::string_view kWildcard = "all-unassigned:";
  const bool is_wildcard = listening.starts_with(kWildcard);
  return SocketAddress::parse(is_wildcard ? "127.0.0.1:" + listening.substr(kWildcard.size())
                                          : listening);
}

std::string queue_id_in(const std::string& reply_text) {
  std::istringstream words(reply_text);
  for (std::string word; words >> word;) {
    if (word.starts_with('<') && word.ends_with('>')) word = word.substr(1, word.size() - 2);
    if (parse_queue_id(word)) return word;
  }
  return {};
}

bool is_deferred(const nlohmann::json& shown) {
  return shown.value("state", "") == "waiting" && shown.value("attempts", 0) > 0;
}

std::string content_of(const TestMail& mail) {
  return fmt::format(
      "From: <{0}>\r\nTo: <{1}>\r\nDate: {3}\r\nMessage-ID: <{4}@{2}>\r\n"
      "Subject: Test message from {2}\r\nMIME-Version: 1.0\r\n"
      "Content-Type: text/plain; charset=us-ascii\r\nAuto-Submitted: auto-generated\r\n\r\n"
      "This is a test message, sent with mailrootctl test-mail on {2}.\r\n.\r\n",
      mail.from, mail.to, mail.host, mail.date, mail.token);
}

}  // namespace mailroot::ctl
