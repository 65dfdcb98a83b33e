// sendmail -bs: SMTP with one local program on standard input and output. The session is the
// relay's own (smtp::ServerSession); each message is given to the submission service before its
// 250.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "mailroot/smtp/server_session.h"
#include "mailroot/submit/request.h"

namespace mailroot::sendmail {

class Dialogue {
 public:
  // Answers when the message is on disk (code 0), or why it is not (sysexits.h).
  using Submit = std::function<submit::Failure(const submit::Request&, const std::string& content)>;

  // `mailname`: who greets, and the domain of bare addresses; not empty.
  Dialogue(const std::string& mailname, Submit submit);

  // What to write next; empty if nothing.
  std::string greet();
  std::string feed(std::string_view input);
  bool is_over() const { return actions_.close; }

 private:
  void act();
  smtp::Answer commit();

  Submit submit_;
  smtp::ServerSession session_;
  smtp::Actions actions_;
  std::string content_;
};

}  // namespace mailroot::sendmail
