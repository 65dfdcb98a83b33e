#include "login_desk.h"

#include <openssl/rand.h>
#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <system_error>

#include "limits.h"
#include "mailroot/base/assert.h"

namespace mailroot::server {

using reactor::task;

namespace {

constexpr size_t kKeyBytes = 32;

// A length in front of each part, so that no two logins have one name.
void add_part(std::string& text, std::string_view part) {
  text += std::to_string(part.size()) + ':';
  text += part;
}

struct Answer {
  reactor::Event given;
  std::optional<bool> right;
};

}  // namespace

LoginDesk::LoginDesk() {
  key_.resize(kKeyBytes);
  const int made = RAND_bytes(reinterpret_cast<unsigned char*>(key_.data()), kKeyBytes);
  MAILROOT_ASSERT(made == 1, "the kernel has randomness");
}

LoginDesk::~LoginDesk() {
  {
    const std::lock_guard guard(mutex_);
    ending_ = true;
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
  sasl::wipe(key_);
}

task<result<bool>> LoginDesk::check(reactor::Reactor& reactor,
                                    std::shared_ptr<const sasl::Users> users, std::string user,
                                    std::string password) {
  const sasl::Digest name = name_of(*users, user, password);
  if (knows(name, reactor.now())) {
    sasl::wipe(password);
    co_return true;
  }
  const auto answer = std::make_shared<Answer>();
  reactor::Reactor* const there = &reactor;
  const bool taken = submit([there, answer, users, user, secret = std::move(password)]() mutable {
    const bool right = users->check_password(user, secret);
    sasl::wipe(secret);
    const auto tell = [answer, right] {
      answer->right = right;
      answer->given.notify_all();
    };
    // A full mailbox is read within moments, or its shard is stuck.
    while (!there->post(tell)) ::usleep(kLoginPostPauseMicroseconds);
  });
  if (!taken) co_return fail(Errc::limit);
  while (!answer->right) {
    co_await answer->given.wait(reactor, {});
  }
  if (*answer->right) remember(name, reactor.now());
  co_return *answer->right;
}

bool LoginDesk::submit(Work work) {
  const std::lock_guard guard(mutex_);
  if (queue_.size() >= kLoginQueueMax) return false;
  queue_.push_back(std::move(work));
  if (queue_.size() > idle_threads_ && threads_.size() < kLoginThreadsMax) {
    // Signals are the control thread's.
    sigset_t all, previous;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &previous);
    try {
      threads_.emplace_back([this] { this->work(); });
    } catch (const std::system_error&) {
      if (threads_.empty()) queue_.pop_back();
    }
    pthread_sigmask(SIG_SETMASK, &previous, nullptr);
    if (threads_.empty()) return false;
  }
  changed_.notify_one();
  return true;
}

void LoginDesk::work() {
  pthread_setname_np(pthread_self(), "mailroot-login");
  // Linux: of this thread alone. Mail that arrives comes before logins.
  ::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), kLoginNice);
  std::unique_lock lock(mutex_);
  while (true) {
    ++idle_threads_;
    changed_.wait(lock, [this] { return ending_ || !queue_.empty(); });
    --idle_threads_;
    if (queue_.empty()) return;
    Work next = std::move(queue_.front());
    queue_.pop_front();
    lock.unlock();
    next();
    lock.lock();
  }
}

sasl::Digest LoginDesk::name_of(const sasl::Users& users, const std::string& user,
                                const std::string& password) const {
  std::string text;
  add_part(text, sasl::as_text(users.digest()));
  add_part(text, user);
  add_part(text, password);
  const sasl::Digest name = sasl::hmac_sha256(key_, text);
  sasl::wipe(text);
  return name;
}

bool LoginDesk::knows(const sasl::Digest& name, Instant now) {
  const std::lock_guard guard(known_mutex_);
  const auto found = known_.find(name);
  return found != known_.end() && found->second > now;
}

void LoginDesk::remember(const sasl::Digest& name, Instant now) {
  const std::lock_guard guard(known_mutex_);
  if (known_.size() >= kLoginsKnownMax) {
    std::erase_if(known_, [now](const auto& entry) { return entry.second <= now; });
    if (known_.size() >= kLoginsKnownMax) known_.erase(known_.begin());
  }
  known_[name] = now + kLoginKnownTime;
}

}  // namespace mailroot::server
