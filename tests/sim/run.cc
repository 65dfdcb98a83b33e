#include "run.h"

#include <fmt/format.h>

#include <algorithm>

#include "client.h"
#include "ledger.h"
#include "next_hop.h"
#include "program.h"
#include "scenario.h"

namespace mailroot::simtest {

using reactor::sim::Faults;
using reactor::sim::World;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

namespace {

constexpr uint64_t kDirectorStream = 2;
constexpr uint64_t kLookEverySteps = 32;
constexpr uint64_t kStepsMax = 4'000'000;
constexpr Duration kDrainPatience = hours(6);

// Keeps the log's "delivered" lines, which say that a Status is durable.
class Books final : public log::Sink {
 public:
  Books(World& world, Ledger& ledger, const RunOptions& options)
      : world_(world), ledger_(ledger), options_(options) {}
  void set_dead(bool dead) { is_dead_ = dead; }

  void write(log::Event&& event) override {
    std::string line(event.name());
    std::string to;
    for (const auto& [key, value] : event.fields()) {
      const auto* text = std::get_if<std::string>(&value);
      if (text != nullptr && key == "to") to = *text;
      if (options_.trace) {
        line += fmt::format(" {}={}", key, text ? *text : std::to_string(std::get<1>(value)));
      }
    }
    if (options_.trace) options_.trace((is_dead_ ? "dead log " : "log ") + line);
    if (event.name() != "delivered" || is_dead_ || to.size() < 2) return;
    ledger_.logged_delivered(to.substr(1, to.size() - 2), world_.now());
  }
  bool enabled(log::Level) const override { return true; }

 private:
  World& world_;
  Ledger& ledger_;
  const RunOptions& options_;
  bool is_dead_ = false;
};

class Run {
 public:
  Run(uint64_t seed, const RunOptions& options)
      : options_(options),
        scenario_(draw_scenario(seed)),
        director_(seed, kDirectorStream),
        world_(seed, scenario_.shards + 1, with_trace(scenario_.world, options)),
        outside_(world_.make_outside_backend(), reactor::ReactorLimits{}),
        books_(world_, ledger_, options_),
        program_(world_, scenario_, books_) {}

  RunResult run();

 private:
  static reactor::sim::WorldOptions with_trace(reactor::sim::WorldOptions world,
                                               const RunOptions& options) {
    world.trace = options.trace;
    return world;
  }
  void populate();
  void plan_events();
  void faulty_time();
  void happen(Instant now);
  void die();
  void keep_running();
  void look();
  bool step();
  bool is_drained();
  void drain();
  void rest();
  void read_disk();
  void close_outside();
  void note(std::string_view text) {
    if (options_.trace) options_.trace(text);
  }

  const RunOptions& options_;
  Scenario scenario_;
  Chance director_;
  Ledger ledger_;
  World world_;
  reactor::Reactor outside_;
  reactor::CancelScope scope_{nullptr};
  reactor::TaskGroup clients_running_;
  reactor::TaskGroup hops_running_;
  std::vector<std::unique_ptr<Client>> clients_;
  std::vector<std::unique_ptr<NextHop>> hops_;
  Books books_;
  Program program_;
  enum class What : uint8_t { death, reload, restart, full_disk, disk_freed };
  struct Happening {
    Instant at{};
    What what = What::death;
  };
  std::vector<Happening> plan_;
  Instant start_again_ = {};
  Duration death_patience_ = Duration::zero();
  std::set<size_t> crowded_;
  std::vector<Instant> crowded_since_;
  uint64_t death_in_steps_ = 0;  // of the program at work; 0: none is near
  size_t deaths_ = 0;
  uint64_t free_bytes_ = 0;
};

void Run::populate() {
  ledger_.set_trace(options_.trace);
  world_.attach(outside_);
  outside_.post([this] {
    for (uint32_t i = 0; i < scenario_.hops.size(); ++i) {
      hops_.push_back(
          std::make_unique<NextHop>(outside_, scope_, scenario_, scenario_.hops[i], i, ledger_));
      hops_running_.spawn(hops_.back()->run());
    }
    for (uint32_t i = 0; i < scenario_.clients.size(); ++i) {
      clients_.push_back(
          std::make_unique<Client>(outside_, scope_, scenario_, scenario_.clients[i], i, ledger_));
      clients_running_.spawn(clients_.back()->run());
    }
  });
  crowded_since_.resize(scenario_.hops.size(), kNever);
  for (uint32_t i = 0; i < scenario_.servers.size(); ++i) {
    ledger_.expires_after(i, scenario_.servers[i]->delivery.expiration);
  }
}

void Run::plan_events() {
  const Duration time = scenario_.faulty_time;
  auto add = [&](What what, uint32_t count) {
    for (uint32_t i = 0; i < count; ++i) {
      plan_.push_back({world_.now() + director_.up_to(time), what});
    }
  };
  add(What::death, scenario_.deaths);
  add(What::reload, scenario_.reloads);
  add(What::restart, scenario_.restarts);
  add(What::full_disk, scenario_.full_disks);
  std::ranges::sort(plan_, {}, &Happening::at);
}

// A death falls some hundreds of steps after its moment, so that it hits work in flight and not
// the silence between two clients.
void Run::happen(Instant now) {
  while (!plan_.empty() && plan_.front().at <= now) {
    const What what = plan_.front().what;
    plan_.erase(plan_.begin());
    if (what == What::death) death_in_steps_ = director_.between(1, 400);
    if (what == What::restart && program_.state() == Program::State::up) {
      ledger_.program_ended(now);
      note("-- orderly stop");
      program_.stop();
    }
    if (what == What::reload) {
      const auto index = static_cast<uint32_t>(director_.below(scenario_.servers.size()));
      note("-- reload");
      program_.reload(index, redraw(*scenario_.servers[index], director_));
    }
    if (what == What::full_disk) {
      free_bytes_ = world_.disk().free_bytes();
      world_.disk().set_free_bytes(director_.below(6 * kMiB));
      plan_.push_back({now + director_.up_to(minutes(1)), What::disk_freed});
      std::ranges::sort(plan_, {}, &Happening::at);
    }
    if (what == What::disk_freed) world_.disk().set_free_bytes(free_bytes_);
  }
}

void Run::die() {
  const bool power_loss = director_.percent(70);
  note(power_loss ? "-- power loss" : "-- kill");
  ledger_.program_ended(world_.now());
  books_.set_dead(true);
  program_.die(power_loss);
  books_.set_dead(false);
  ++deaths_;
  death_in_steps_ = 0;
  start_again_ = world_.now() + director_.up_to(seconds(5));
}

// What systemd does.
void Run::keep_running() {
  if (program_.state() == Program::State::ended) {
    if (!program_.trouble().empty()) note("-- did not start: " + program_.trouble());
    program_.clear();
    start_again_ = world_.now() + seconds(1);
  }
  if (program_.state() == Program::State::down && world_.now() >= start_again_) {
    note("-- start");
    program_.start();
  }
}

// Oracle 4. What a next hop counts lags behind by the network's delay; only an excess that stays
// is one.
void Run::look() {
  for (std::string& broken : program_.broken_limits()) ledger_.violation(std::move(broken));
  const Faults& faults = scenario_.world.faults;
  const Duration lag = 3 * (faults.network_latency_max + faults.stall_max) + seconds(10);
  for (size_t i = 0; i < hops_.size(); ++i) {
    const size_t limit = kPerDestinationMax * scenario_.servers.size();
    const bool is_crowded =
        hops_[i]->listening_connections() > limit && !hops_[i]->plan().domain.empty();
    if (!is_crowded) {
      crowded_since_[i] = kNever;
    } else if (crowded_since_[i] == kNever) {
      crowded_since_[i] = world_.now();
    } else if (world_.now() - crowded_since_[i] > lag) {
      ledger_.violation(fmt::format("4: {} connections to {}, {} allowed",
                                    hops_[i]->listening_connections(), hops_[i]->plan().domain,
                                    limit));
    }
  }
}

bool Run::step() {
  keep_running();
  const bool stepped = world_.step();
  if (world_.steps() % kLookEverySteps == 0) look();
  return stepped;
}

void Run::faulty_time() {
  const Instant end = world_.now() + scenario_.faulty_time;
  // A timer that marks the end, so that the last wait is not longer.
  while (world_.now() < end && world_.steps() < kStepsMax) {
    happen(world_.now());
    if (death_in_steps_ > 0 && --death_in_steps_ == 0) die();
    if (!step()) world_.run_until(world_.now() + seconds(1));
  }
  if (free_bytes_ != 0) world_.disk().set_free_bytes(free_bytes_);
  Faults calm = Faults::none();
  calm.ordered_names = world_.faults().ordered_names;
  world_.set_faults(calm);
  for (const auto& hop : hops_) hop->calm_down();
  note("-- calm");
}

bool Run::is_drained() {
  return clients_running_.running() == 0 && program_.state() == Program::State::up &&
         program_.queued_messages() == 0;
}

// Oracle 5.
void Run::drain() {
  const Instant end = world_.now() + kDrainPatience;
  while (!is_drained() && world_.now() < end && world_.steps() < kStepsMax) {
    if (!step()) world_.run_until(world_.now() + seconds(1));
  }
  // What was found by the scan only now, what is still being settled.
  const Instant quiet = world_.now() + minutes(3);
  while ((world_.now() < quiet || !is_drained()) && world_.now() < end &&
         world_.steps() < kStepsMax) {
    if (!step()) world_.run_until(world_.now() + seconds(1));
  }
  if (is_drained()) return;
  ledger_.violation(fmt::format("5: the queue did not drain: {} clients, state {}, {} messages {}",
                                clients_running_.running(), static_cast<int>(program_.state()),
                                program_.queued_messages(), program_.trouble()));
  note(program_.describe());
}

// Oracle 6.
void Run::rest() {
  if (program_.state() == Program::State::up && program_.slab_bytes() != 0) {
    note(fmt::format("-- {} bytes of slabs at rest", program_.slab_bytes()));
  }
  if (program_.state() == Program::State::up) program_.stop();
  const bool ended =
      world_.run_until([this] { return program_.state() == Program::State::ended; }, minutes(10));
  if (!ended) {
    ledger_.violation("6: the program did not end when told to");
    die();
    return;
  }
  if (program_.slab_bytes() != 0) {
    ledger_.violation(fmt::format("6: {} bytes of slabs at the end", program_.slab_bytes()));
  }
  if (world_.open_descriptors() != 0) {
    ledger_.violation(fmt::format("6: {} descriptors at the end", world_.open_descriptors()));
  }
  program_.clear();
}

void Run::read_disk() {
  std::set<std::string> left;
  for (const auto& server : scenario_.servers) {
    const std::string& home = server->home_directory;
    for (const std::string directory : {"/Queue/new", "/Queue/cur"}) {
      for (const std::string& name : world_.disk().list(home + directory)) {
        left.insert(name.substr(0, name.find('.')));
        ledger_.violation("5: still in the queue: " + directory + "/" + name);
      }
    }
    for (const std::string& name : world_.disk().list(home + "/Drop/new")) {
      ledger_.dropped(name, *world_.disk().read_file(home + "/Drop/new/" + name));
    }
    for (const std::string& name : world_.disk().list(home + "/Badmail/new")) {
      if (name.ends_with(".reason")) continue;
      ledger_.in_badmail(name, *world_.disk().read_file(home + "/Badmail/new/" + name));
    }
  }
  ledger_.audit(left);
}

void Run::close_outside() {
  scope_.cancel();
  const bool ended = world_.run_until(
      [this] { return clients_running_.running() + hops_running_.running() == 0; }, hours(1));
  MAILROOT_ASSERT(ended, "scripts end when they are called off");
  if (world_.open_connections() != 0) ledger_.violation("6: connections at the end");
  world_.detach(outside_);
}

RunResult Run::run() {
  populate();
  plan_events();
  faulty_time();
  drain();
  rest();
  read_disk();
  close_outside();
  RunResult result;
  result.violations = ledger_.violations();
  result.trace_hash = world_.trace_hash();
  result.steps = world_.steps();
  result.promises = ledger_.promises_given();
  result.deliveries = ledger_.deliveries();
  result.reports = ledger_.reports();
  result.deaths = deaths_;
  return result;
}

}  // namespace

RunResult run_seed(uint64_t seed, const RunOptions& options) {
  Run run(seed, options);
  return run.run();
}

}  // namespace mailroot::simtest
