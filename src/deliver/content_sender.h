// Turns the content of a message into views to send, in the form the session asks for: plain
// (BDAT), with dots (DATA), or re-encoded first (8-bit content to a host that takes 7 bits).
#pragma once

#include <sys/uio.h>

#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "mailroot/message/downgrade.h"
#include "mailroot/smtp/content.h"

namespace mailroot::deliver {

class ContentSender {
 public:
  // `header` is looked at for data_downgraded only.
  ContentSender(smtp::ContentForm form, const message::HeaderFacts& header);
  // False: the content must not be sent by DATA (smtp::DotStuffer). The piece stays alive until
  // sent().
  [[nodiscard]] bool add(ByteView piece);
  [[nodiscard]] bool finish();
  void add_raw(std::string_view text);  // commands in front of the content

  std::vector<iovec>& views() { return views_; }
  void sent();  // all views have been sent

 private:
  [[nodiscard]] bool stuff(ByteView piece);

  smtp::ContentForm form_;
  smtp::DotStuffer stuffer_;
  std::optional<message::Downgrade> downgrade_;
  std::vector<ByteView> stuffed_;
  std::vector<iovec> views_;
  std::deque<std::string> kept_;  // re-encoded text that views refer to
};

}  // namespace mailroot::deliver
