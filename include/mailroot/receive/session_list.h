// The open inbound sessions of one (virtual server, shard), for an operator who looks at them or
// ends one. On the shard's thread.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "mailroot/base/address.h"
#include "mailroot/base/time.h"

namespace mailroot::receive {

enum class SessionStage : uint8_t {
  greeting,  // neither HELO nor EHLO yet
  idle,      // between messages
  envelope,  // MAIL was taken
  content,   // a message is arriving
};

struct SessionView {
  uint64_t number = 0;  // unique in its list since the start, from 1
  SocketAddress peer, local;
  Instant opened{};
  SessionStage stage = SessionStage::greeting;
  std::string client_name;  // as it called itself
  std::string tls;          // "TLSv1.3"; empty: in clear text
  std::string user;         // who has logged in; empty: nobody
  uint64_t messages = 0;    // accepted
  uint64_t bytes = 0;       // received
};

class OpenSession {
 public:
  virtual SessionView view() const = 0;  // without the number
  // 421 at a safe point: a message that is arriving may arrive, within the time that the stop of a
  // server gives it.
  virtual void end_by_operator() = 0;

 protected:
  ~OpenSession() = default;
};

class SessionList {
 public:
  // The session stays until it is removed.
  uint64_t add(OpenSession& session);
  void remove(uint64_t number) { sessions_.erase(number); }
  // At most `max` with numbers above `after`, ascending.
  std::vector<SessionView> page(uint64_t after, size_t max) const;
  bool end(uint64_t number);  // false: it is not there (any more)

 private:
  std::map<uint64_t, OpenSession*> sessions_;
  uint64_t newest_ = 0;
};

}  // namespace mailroot::receive
