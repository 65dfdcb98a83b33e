// A simulated month: shards, hosts that go up and down, refuse, greylist and stall; checked against
// what the world saw. Deterministic: the seed gives everything.
#include <algorithm>
#include <functional>
#include <map>
#include <random>
#include <set>

#include "helpers.h"

using namespace mailroot;
using namespace mailroot::queue;
using namespace mailroot::queue::test;

namespace {

constexpr uint32_t kShards = 3;

struct Host {
  std::vector<std::pair<Instant, Instant>> down;  // of connections
  int refuses_percent = 0;                        // 4yz per recipient
  int rejects_percent = 0;                        // 5yz per recipient
  Duration transaction{};
  uint32_t connections = 0, most = 0;
  bool is_down(Instant at) const {
    return std::ranges::any_of(
        down, [&](const auto& span) { return span.first <= at && at < span.second; });
  }
};

struct Sent {
  uint32_t recipients = 0;
  std::set<uint32_t> delivered, bounced;
  Instant arrived{};
  std::map<std::string, Instant> not_before;  // per destination key
};

// Everything that happens, in order of time.
class World {
 public:
  World(uint64_t seed, QueueOptions options, size_t host_count, Duration faults_end)
      : random_(seed), options_(options), faults_end_(kStart + faults_end) {
    slots_ = make_slot_table([this](uint16_t shard, const std::string& key) {
      if (random_() % 10 == 0) return false;  // a full mailbox
      at(now_ + 1ms, [this, shard, key] {
        queues_[shard]->slot_freed(key);
        pump(shard);
      });
      return true;
    });
    for (uint16_t i = 0; i < kShards; ++i) {
      queues_.push_back(std::make_unique<Queue>(options, *slots_, i, seed + i, moment()));
    }
    wakes_.resize(kShards, kNever);
    for (size_t i = 0; i < host_count; ++i) make_host(i, faults_end);
  }

  void send(uint16_t shard, Instant when, uint32_t recipients) {
    const uint64_t counter = ++counter_;
    at(when, [this, shard, counter, recipients] { arrive(shard, counter, recipients); });
  }

  void run() {
    while (!events_.empty()) {
      const auto [when, order] = *events_.begin();
      now_ = std::max(now_, when);
      auto work = std::move(works_[order]);
      works_.erase(order);
      events_.erase(events_.begin());
      work();
    }
  }

  uint64_t random() { return random_(); }
  Moment moment() const { return {now_, kWallStart + (now_ - kStart)}; }

  void check_at_end() {
    uint64_t delivered = 0, bounced = 0;
    for (const auto& queue : queues_) {
      const QueueCounters counters = queue->counters();
      CHECK(counters.messages == 0);
      CHECK(counters.size_bytes == 0);
      CHECK(counters.connections == 0);
      CHECK(counters.waiting + counters.ready + counters.in_transaction + counters.held == 0);
      delivered += counters.delivered;
      bounced += counters.bounced;
    }
    uint64_t recipients = 0;
    for (const auto& [counter, sent] : sent_) {
      REQUIRE(sent.delivered.size() + sent.bounced.size() == sent.recipients);
      recipients += sent.recipients;
    }
    CHECK(delivered + bounced == recipients);
    for (const auto& [key, host] : hosts_) {
      CHECK(host.most <= options_.per_destination_max);
      CHECK(host.connections == 0);
      CHECK(slots_->in_use(key) == 0);
    }
    CHECK(most_ <= options_.connections_max);
    CHECK(slots_->in_use(kAllDestinations) == 0);
  }

  Instant last_done() const { return last_done_; }
  uint64_t attempts() const { return attempts_; }
  uint64_t trace() const { return trace_; }

 private:
  void at(Instant when, std::function<void()> work) {
    const uint64_t order = ++order_;
    events_.emplace(std::max(when, now_), order);
    works_[order] = std::move(work);
  }

  void make_host(size_t index, Duration faults_end) {
    Host host;
    host.transaction = Duration(static_cast<int64_t>(random_() % 20'000'000'000));
    const uint64_t kind = index % 5;
    if (kind == 1) host.refuses_percent = 60;
    if (kind == 2) host.rejects_percent = 30;
    if (kind == 3) host.down.emplace_back(kStart, kStart + faults_end);
    if (kind == 4) {
      Instant t = kStart;
      while (t < kStart + faults_end) {
        t += Duration(static_cast<int64_t>(random_() % 36'000'000'000'000));
        const Instant up = t + Duration(static_cast<int64_t>(random_() % 36'000'000'000'000));
        host.down.emplace_back(t, up);
        t = up;
      }
    }
    hosts_["mx:host" + std::to_string(index)] = host;
  }

  void arrive(uint16_t shard, uint64_t counter, uint32_t recipients) {
    Queue& queue = *queues_[shard];
    std::vector<DestinationId> to;
    for (uint32_t i = 0; i < recipients; ++i) {
      const auto host = std::next(hosts_.begin(), static_cast<int64_t>(random_() % hosts_.size()));
      to.push_back(queue.destination(host->first, DestinationKind::remote));
    }
    Admission admission;
    admission.id = {.epoch = 1, .shard = shard, .counter = counter};
    admission.size_bytes = random_() % 100'000;
    admission.arrived = moment().wall;
    admission.destinations = to;
    REQUIRE(queue.admit(admission, moment()));
    sent_[counter].recipients = recipients;
    sent_[counter].arrived = now_;
    pump(shard);
  }

  void pump(uint16_t shard) {
    Queue& queue = *queues_[shard];
    queue.advance(moment());
    while (const auto grant = queue.next_connection(moment())) open(shard, *grant);
    while (const auto notice = queue.next_notice()) take_notice(queue, *notice);
    const Instant wake = queue.wake_at();
    if (wake == kNever || (wakes_[shard] > now_ && wakes_[shard] <= wake)) return;
    wakes_[shard] = wake;
    at(wake, [this, shard, wake] {
      if (wakes_[shard] != wake) return;  // an earlier one was set since
      wakes_[shard] = kNever;
      pump(shard);
    });
  }

  void take_notice(Queue& queue, const Notice& notice) {
    Sent& sent = sent_[notice.assignment.id.counter];
    const Duration age = now_ - sent.arrived;
    if (notice.kind == NoticeKind::delayed) {
      CHECK(age >= options_.schedule.delay_notification);
      queue.delay_notified(notice);
      return;
    }
    CHECK(age >= options_.schedule.expiration);
    std::vector<RecipientResult> results;
    for (const uint32_t recipient : notice.assignment.recipients) {
      results.push_back({recipient, Result::bounced});
      CHECK(sent.bounced.insert(recipient).second);
    }
    queue.settle(notice.assignment, results, Verdict::unknown, "", moment());
    last_done_ = now_;
  }

  void open(uint16_t shard, const ConnectionGrant& grant) {
    Host& host = hosts_.at(std::string(queues_[shard]->key(grant.destination)));
    host.most = std::max(host.most, ++host.connections);
    most_ = std::max(most_, ++connections_);
    next_message(shard, grant.destination, 0);
  }

  void next_message(uint16_t shard, DestinationId destination, uint32_t sent_here) {
    Queue& queue = *queues_[shard];
    auto assignment = queue.take(destination);
    if (!assignment || sent_here == 20 || queue.should_yield(destination, sent_here)) {
      if (assignment) queue.settle(*assignment, {}, Verdict::unknown, "", moment());
      close(shard, destination);
      return;
    }
    const std::string key(queue.key(destination));
    Host& host = hosts_.at(key);
    const Sent& sent = sent_[assignment->id.counter];
    if (const auto wait = sent.not_before.find(key); wait != sent.not_before.end()) {
      CHECK(now_ >= wait->second);
    }
    ++attempts_;
    trace_ =
        (trace_ ^ assignment->id.counter ^ static_cast<uint64_t>(now_.time_since_epoch().count())) *
        0x100000001B3U;
    const bool fails = host.is_down(now_);
    at(now_ + (fails ? Duration(30s) : host.transaction),
       [this, shard, destination, fails, sent_here, hand = *assignment] {
         finish(shard, destination, hand, fails, sent_here);
       });
  }

  void finish(uint16_t shard, DestinationId destination, const Assignment& hand, bool fails,
              uint32_t sent_here) {
    Queue& queue = *queues_[shard];
    const std::string key(queue.key(destination));
    Host& host = hosts_.at(key);
    Sent& sent = sent_[hand.id.counter];
    std::vector<RecipientResult> results;
    const bool faulty = now_ < faults_end_;
    for (const uint32_t recipient : hand.recipients) {
      Result result = Result::delivered;
      const int dice = static_cast<int>(random_() % 100);
      if (fails || (faulty && dice < host.refuses_percent)) result = Result::deferred;
      if (!fails && dice >= 100 - host.rejects_percent) result = Result::bounced;
      results.push_back({recipient, result});
      if (result == Result::delivered) CHECK(sent.delivered.insert(recipient).second);
      if (result == Result::bounced) CHECK(sent.bounced.insert(recipient).second);
      if (result == Result::deferred) {
        sent.not_before[key] = now_ + retry_interval(options_.schedule, hand.attempts + 1);
      }
    }
    queue.settle(hand, results, fails ? Verdict::failed : Verdict::worked, "down", moment());
    last_done_ = now_;
    if (fails) {
      close(shard, destination);
    } else {
      next_message(shard, destination, sent_here + 1);
    }
  }

  void close(uint16_t shard, DestinationId destination) {
    --hosts_.at(std::string(queues_[shard]->key(destination))).connections;
    --connections_;
    queues_[shard]->connection_closed(destination);
    pump(shard);
  }

  std::mt19937_64 random_;
  QueueOptions options_;
  Instant faults_end_;
  Instant now_ = kStart;
  std::set<std::pair<Instant, uint64_t>> events_;
  std::map<uint64_t, std::function<void()>> works_;
  uint64_t order_ = 0, counter_ = 0, attempts_ = 0, trace_ = 0;
  std::unique_ptr<SlotTable> slots_;
  std::vector<std::unique_ptr<Queue>> queues_;
  std::vector<Instant> wakes_;
  std::map<std::string, Host> hosts_;
  std::map<uint64_t, Sent> sent_;
  uint32_t connections_ = 0, most_ = 0;
  Instant last_done_{};
};

uint64_t run_month(uint64_t seed, const QueueOptions& options) {
  constexpr Duration kMonth = std::chrono::hours(24 * 28);
  World world(seed, options, 20, kMonth);
  for (int i = 0; i < 3000; ++i) {
    const auto when = static_cast<int64_t>(world.random() % static_cast<uint64_t>(kMonth.count()));
    const auto recipients = static_cast<uint32_t>(1 + world.random() % 7);
    world.send(static_cast<uint16_t>(world.random() % kShards), kStart + Duration(when),
               recipients);
  }
  world.run();
  world.check_at_end();
  // Faults stop at the month's end: two days later at most everything is settled.
  CHECK(world.last_done() <= kStart + kMonth + 48h + 5min);
  CHECK(world.attempts() > 3000);
  return world.trace();
}

}  // namespace

TEST_CASE("a month with faults: nothing lost, nothing early, no limit exceeded, drained") {
  for (const uint64_t seed : {1U, 2U, 3U}) {
    CAPTURE(seed);
    run_month(seed, {});
  }
}

TEST_CASE("a month with hardly any connections") {
  run_month(4, {.schedule = {}, .connections_max = 3, .per_destination_max = 1});
  run_month(5, {.schedule = {}, .connections_max = 1, .per_destination_max = 1});
}

TEST_CASE("the same seed gives the same month") {
  CHECK(run_month(6, {}) == run_month(6, {}));
  CHECK(run_month(6, {}) != run_month(7, {}));
}

TEST_CASE("a burst to a host that returns drains, within its limits") {
  QueueOptions options;
  options.per_destination_max = 5;
  World world(9, options, 4, 2h);  // the fourth host is down for two hours
  for (int i = 0; i < 2000; ++i) world.send(static_cast<uint16_t>(i % kShards), kStart, 1);
  world.run();
  world.check_at_end();
  CHECK(world.last_done() < kStart + 12h);
}
