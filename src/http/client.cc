#include "mailroot/http/client.h"

#include <curl/curl.h>
#include <pthread.h>

#include <algorithm>
#include <deque>
#include <list>
#include <mutex>
#include <thread>
#include <utility>

#include "mailroot/base/address.h"
#include "mailroot/base/assert.h"
#include "mailroot/http/handover.h"
#include "transfer.h"

namespace mailroot::http {

namespace {

// libcurl's own set-up: once a process, before any other thread uses it.
void set_up_libcurl() {
  static const CURLcode code = curl_global_init(CURL_GLOBAL_DEFAULT);
  MAILROOT_ASSERT(code == CURLE_OK, "libcurl starts");
}

constexpr int kIdleSleepMs = 3600 * 1000;
constexpr int kBusySleepMs = 1000;

bool is_loopback(const char* host) {
  std::string name = host;
  if (name.starts_with('[') && name.ends_with(']')) name = name.substr(1, name.size() - 2);
  const auto address = IpAddress::parse(name);
  return address && address->is_loopback();
}

}  // namespace

std::string wrong_with_url(const std::string& url) {
  CURLU* const parts = curl_url();
  std::string why = "is no URL";
  if (curl_url_set(parts, CURLUPART_URL, url.c_str(), 0) == CURLUE_OK) {
    char* scheme = nullptr;
    char* host = nullptr;
    char* user = nullptr;
    curl_url_get(parts, CURLUPART_SCHEME, &scheme, 0);
    curl_url_get(parts, CURLUPART_HOST, &host, 0);
    curl_url_get(parts, CURLUPART_USER, &user, 0);
    const std::string_view kind = scheme == nullptr ? "" : scheme;
    if (user != nullptr) {
      why = "has a user name in it";
    } else if (kind == "https" || (kind == "http" && host != nullptr && is_loopback(host))) {
      why.clear();
    } else {
      why = "is not https (plain http is for loopback addresses only)";
    }
    curl_free(scheme);
    curl_free(host);
    curl_free(user);
  }
  curl_url_cleanup(parts);
  return why;
}

class Client::Worker {
 public:
  explicit Worker(ClientOptions options) : options_(std::move(options)) {
    set_up_libcurl();
    multi_ = curl_multi_init();
    MAILROOT_ASSERT(multi_ != nullptr, "libcurl makes handles");
    thread_ = std::thread([this] { turn(); });
  }

  ~Worker() {
    {
      const std::lock_guard lock(mutex_);
      is_stopping_ = true;
    }
    curl_multi_wakeup(multi_);
    thread_.join();
    curl_multi_cleanup(multi_);
  }

  bool add(std::move_only_function<void()> job) {
    {
      const std::lock_guard lock(mutex_);
      if (is_stopping_ || jobs_.size() >= kWaitingMax) return false;
      jobs_.push_back(std::move(job));
    }
    curl_multi_wakeup(multi_);
    return true;
  }

  void use(ClientOptions options) {
    const std::lock_guard lock(mutex_);
    options_ = std::move(options);
  }

  // On the worker's thread.
  void start(Request request, std::move_only_function<void(Outcome)> done) {
    ClientOptions options;
    {
      const std::lock_guard lock(mutex_);
      options = options_;
    }
    waiting_.push_back(std::make_unique<Transfer>(std::move(request), std::move(done), options));
    if (waiting_.size() > kWaitingMax) {
      const auto newest = std::move(waiting_.back());
      waiting_.pop_back();
      newest->fail(FailureKind::overloaded, "too many requests wait");
    }
  }

 private:
  void turn() {
    pthread_setname_np(pthread_self(), "http");
    for (;;) {
      std::deque<std::move_only_function<void()>> jobs;
      bool ends = false;
      {
        const std::lock_guard lock(mutex_);
        jobs.swap(jobs_);
        ends = is_stopping_;
      }
      for (auto& job : jobs) job();
      if (ends) break;
      launch();
      int running = 0;
      curl_multi_perform(multi_, &running);
      collect();
      // Wakeups end it early.
      const int sleep_ms = running_.empty() ? kIdleSleepMs : kBusySleepMs;
      if (!has_jobs()) curl_multi_poll(multi_, nullptr, 0, sleep_ms, nullptr);
    }
    give_up();
  }

  bool has_jobs() {
    const std::lock_guard lock(mutex_);
    return !jobs_.empty() || is_stopping_;
  }

  void launch() {
    while (!waiting_.empty() && running_.size() < kAtOnceMax) {
      running_.push_back(std::move(waiting_.front()));
      waiting_.pop_front();
      curl_multi_add_handle(multi_, running_.back()->handle());
    }
  }

  void collect() {
    int left = 0;
    while (const CURLMsg* message = curl_multi_info_read(multi_, &left)) {
      if (message->msg != CURLMSG_DONE) continue;
      const CURLcode code = message->data.result;
      CURL* const handle = message->easy_handle;
      const auto found = std::ranges::find_if(
          running_, [&](const auto& transfer) { return transfer->handle() == handle; });
      MAILROOT_ASSERT(found != running_.end(), "a transfer of ours ended");
      const auto transfer = std::move(*found);
      running_.erase(found);
      curl_multi_remove_handle(multi_, handle);
      transfer->finish(code);
    }
  }

  void give_up() {
    for (auto& transfer : running_) curl_multi_remove_handle(multi_, transfer->handle());
    waiting_.insert(waiting_.end(), std::make_move_iterator(running_.begin()),
                    std::make_move_iterator(running_.end()));
    running_.clear();
    for (auto& transfer : waiting_) transfer->fail(FailureKind::stopping, "the service stops");
    waiting_.clear();
  }

  CURLM* multi_ = nullptr;
  std::deque<std::unique_ptr<Transfer>> waiting_;
  std::list<std::unique_ptr<Transfer>> running_;
  std::mutex mutex_;  // of what follows
  ClientOptions options_;
  std::deque<std::move_only_function<void()>> jobs_;
  bool is_stopping_ = false;
  std::thread thread_;
};

Client::Client(ClientOptions options) : worker_(std::make_unique<Worker>(std::move(options))) {}
Client::~Client() = default;

void Client::fetch(Request request, std::move_only_function<void(Outcome)> done) {
  const std::string wrong = wrong_with_url(request.url);
  // Kept outside of the job, which is gone when it is not taken.
  const auto answer = std::make_shared<std::move_only_function<void(Outcome)>>(std::move(done));
  const bool taken = worker_->add([this, wrong, answer, request = std::move(request)]() mutable {
    if (wrong.empty()) {
      worker_->start(std::move(request), std::move(*answer));
    } else {
      (*answer)(std::unexpected(Failure{FailureKind::not_allowed, request.url + " " + wrong}));
    }
  });
  if (!taken) (*answer)(std::unexpected(Failure{FailureKind::overloaded, "too many requests"}));
}

bool Client::run(std::move_only_function<void()> job) { return worker_->add(std::move(job)); }
void Client::use(ClientOptions options) { worker_->use(std::move(options)); }

reactor::task<result<Outcome>> fetch(Client& client, reactor::Reactor& reactor, Request request,
                                     reactor::Wait wait) {
  Handover<Outcome> handover(reactor);
  client.fetch(std::move(request), handover.giver());
  auto outcome = co_await handover.take(wait);
  co_return outcome;
}

}  // namespace mailroot::http
