// A scripted SMTP server on a loopback address: polite by default, hostile as told.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "mailroot/reactor/reactor.h"

namespace mailroot::deliver::test {

// What a verb is answered with. `text` is sent as it stands (CRLF included); close and stall come
// after it.
struct Answer {
  std::string text;
  bool close = false;
  bool stall = false;  // says nothing more, keeps the connection open
  Duration delay{};    // before it is said
};

struct SinkRules {
  std::string greeting = "220 sink.example ESMTP\r\n";
  std::vector<std::string> offers = {"PIPELINING", "8BITMIME", "SIZE 0", "ENHANCEDSTATUSCODES",
                                     "DSN"};
  // By verb ("EHLO", "MAIL", "RCPT", "DATA", "BDAT", "END" = final reply, "QUIT", "RSET"):
  // overrides, used in order, the last repeats.
  std::map<std::string, std::vector<Answer>> answers;
  // By a recipient's path: wins over answers["RCPT"].
  std::map<std::string, std::string> recipients;
  bool byte_by_byte = false;    // every reply in single bytes
  size_t close_in_content = 0;  // so many bytes into the content the connection is reset
  size_t close_after_messages = 0;
};

struct SinkMessage {
  std::string mail;  // the whole command line
  std::vector<std::string> rcpt;
  std::string content;  // without dots
  bool by_bdat = false;
  int connection = 0;
};

class Sink {
 public:
  Sink(reactor::Reactor& reactor, SocketAddress where, SinkRules rules);

  const SocketAddress& address() const { return address_; }
  void stop();  // then join()
  reactor::task<void> join();

  SinkRules rules;
  std::vector<SinkMessage> messages;
  std::vector<std::string> commands;
  int connections = 0;
  int open = 0, most_open = 0;
  int quits = 0;

 private:
  struct Session;
  reactor::task<void> accept_all();
  reactor::task<void> serve(reactor::Descriptor socket, int number);
  reactor::task<bool> answer(Session& session, std::string verb, std::string usual);
  reactor::task<bool> say(Session& session, std::string text);
  reactor::task<bool> handle(Session& session, std::string line);
  bool is_refused(const std::string& verb) const;
  reactor::task<bool> take_data(Session& session);
  reactor::task<bool> take_bdat(Session& session, size_t size);
  reactor::task<bool> read_more(Session& session);

  reactor::Reactor& reactor_;
  reactor::Descriptor listener_ = reactor::kNoDescriptor;
  SocketAddress address_;
  reactor::CancelScope scope_{nullptr};
  reactor::TaskGroup tasks_;
  std::map<std::string, size_t> used_;
};

}  // namespace mailroot::deliver::test
