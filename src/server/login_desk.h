// LoginDesk: checks passwords on threads of its own, for all virtual servers: a hash takes some
// 30 ms of CPU, and no shard may stand still for so long. One per process; any thread.
//
//   check() -- known (a right one of late) --> yes
//      '------ queue (bounded) --> thread "mailroot-login" --> post() to the shard that asked
#pragma once

#include <array>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "mailroot/reactor/reactor.h"
#include "mailroot/sasl/users.h"

namespace mailroot::server {

class LoginDesk {
 public:
  LoginDesk();
  // Every check() has returned.
  ~LoginDesk();
  LoginDesk(const LoginDesk&) = delete;
  LoginDesk& operator=(const LoginDesk&) = delete;

  // On the reactor's thread, which goes on meanwhile. Errc::limit: the queue is full.
  reactor::task<result<bool>> check(reactor::Reactor& reactor,
                                    std::shared_ptr<const sasl::Users> users, std::string user,
                                    std::string password);

 private:
  using Work = std::move_only_function<void()>;

  bool submit(Work work);
  void work();
  // Names a login that was right, by a key of this process: no password stays in memory. Another
  // users file is another name.
  sasl::Digest name_of(const sasl::Users& users, const std::string& user,
                       const std::string& password) const;
  bool knows(const sasl::Digest& name, Instant now);
  void remember(const sasl::Digest& name, Instant now);

  std::string key_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Work> queue_;
  std::vector<std::thread> threads_;
  size_t idle_threads_ = 0;
  bool ending_ = false;
  std::mutex known_mutex_;
  std::map<sasl::Digest, Instant> known_;  // -> until
};

}  // namespace mailroot::server
