#include "spool_impl.h"

#include <algorithm>
#include <utility>

#include "limits.h"
#include "mailroot/base/assert.h"

namespace mailroot::spool {

using reactor::task;

std::unique_ptr<Spool> make_spool(reactor::Reactor& reactor, SlabPool& slabs, const Home& home,
                                  uint16_t shard, uint16_t shards, const SpoolOptions& options,
                                  log::Sink& log) {
  return std::make_unique<SpoolImpl>(reactor, slabs, home, shard, shards, options, log);
}

SpoolImpl::SpoolImpl(reactor::Reactor& reactor, SlabPool& slabs, const Home& home, uint16_t shard,
                     uint16_t shards, const SpoolOptions& options, log::Sink& log)
    : reactor_(reactor),
      slabs_(slabs),
      home_(home),
      shard_(shard),
      shards_(shards),
      options_(options),
      log_(log),
      temporary_(reactor, home.queue.temporary),
      fresh_(reactor, home.queue.fresh),
      current_(reactor, home.queue.current),
      badmail_(reactor, home.badmail.fresh),
      drop_(reactor, home.drop.fresh),
      drop_flat_(reactor, home.drop.top),
      pool_(reactor, home, shard, shards, options.scrub),
      drafts_{reactor, slabs, pool_, tasks_,
              std::min<uint64_t>(options.journal_body_max_bytes, kInlineBodyMax)},
      journal_(reactor, home, shard, *this, log) {
  const bool takes_over = shard == 0 && home.kept != nullptr;
  if (takes_over && !std::exchange(home.kept->is_taken, true)) take_over(*home.kept);
}

SpoolImpl::~SpoolImpl() = default;

void SpoolImpl::start() {
  if (std::exchange(started_, true)) return;
  tasks_.spawn(run_placer());
  tasks_.spawn(run_syncer());
}

Entry* SpoolImpl::find(const QueueId& id) const {
  const auto found = entries_.find(id);
  return found == entries_.end() ? nullptr : found->second.get();
}

reactor::Descriptor SpoolImpl::directory_of(Where where) const {
  MAILROOT_ASSERT(where != Where::memory, "a message in memory has no directory");
  return where == Where::fresh ? home_.queue.fresh : home_.queue.current;
}

void SpoolImpl::log_problem(std::string_view name, const QueueId& id, std::string_view reason) {
  log::Event event(log::Level::error, name);
  event.with("home", home_.path).with("id", to_string(id)).with("reason", reason);
  log_.write(std::move(event));
}

void SpoolImpl::begin_work(Entry& entry) {
  MAILROOT_ASSERT(!entry.busy, "one task at a time works on a file");
  entry.busy = true;
  ++working_;
  entry.unlink();
}

void SpoolImpl::end_work(Entry& entry) {
  entry.busy = false;
  --working_;
  free_again_.notify_all();
  wake_if_closing();
}

// Both loops end when nothing is under way; whatever ends lets them look.
void SpoolImpl::wake_if_closing() {
  if (!closing_) return;
  placer_wake_.notify_one();
  syncer_wake_.notify_one();
}

bool SpoolImpl::is_settled() const {
  return working_ == 0 && recording_ == 0 && placing_ == 0 && hot_.empty() && urgent_.empty();
}

void SpoolImpl::use(const SpoolOptions& options) {
  options_.materialise_after = options.materialise_after;
  options_.free_min_bytes = options.free_min_bytes;
  space_checked_at_ = {};
  placer_wake_.notify_one();
}

std::optional<std::string> SpoolImpl::refusal() const {
  if (closing_) return "421 4.3.2 Service shutting down, try again later";
  auto* const self = const_cast<SpoolImpl*>(this);  // the look at the disk is not part of the state
  if (!checking_space_ && (space_checked_at_ == Instant{} ||
                           reactor_.now() - space_checked_at_ >= kFreeCheckInterval)) {
    self->checking_space_ = true;
    self->tasks_.spawn(self->check_free());
  }
  if (space_low_ || journal_.lacks_space()) {
    return "452 4.3.1 Insufficient system storage, try again later";
  }
  if (journal_.has_failed()) return "421 4.3.2 Cannot store mail now, try again later";
  if (slabs_.is_high()) return "452 4.3.1 Too much mail in memory, try again later";
  return std::nullopt;
}

task<void> SpoolImpl::check_free() {
  auto status = co_await reactor_.file_system_status(home_.queue.top);
  checking_space_ = false;
  space_checked_at_ = reactor_.now();
  if (!status) co_return;
  const bool low = status->free_bytes < options_.free_min_bytes || status->read_only;
  if (low != space_low_) {
    log::Event event(low ? log::Level::error : log::Level::info, "space");
    event.with("home", home_.path).with("free", static_cast<int64_t>(status->free_bytes));
    log_.write(std::move(event));
  }
  space_low_ = low;
}

std::unique_ptr<Draft> SpoolImpl::begin_draft() {
  return std::make_unique<DraftImpl>(drafts_, QueueId{home_.epoch, shard_, next_counter_++});
}

SpoolCounters SpoolImpl::counters() const {
  SpoolCounters counters;
  counters.hot = hot_count_;
  counters.placed = placed_;
  counters.committed = committed_;
  counters.groups = journal_.groups();
  counters.bytes_written = journal_.bytes_written();
  counters.failures = journal_.failures();
  counters.materialised = materialised_;
  counters.set_aside = set_aside_;
  counters.commit = journal_.commit_times();
  return counters;
}

task<void> SpoolImpl::close() {
  if (closing_) co_return;
  closing_ = true;
  placer_wake_.notify_all();
  syncer_wake_.notify_all();
  closing_wake_.notify_all();
  co_await tasks_.join();
  co_await journal_.close();
}

}  // namespace mailroot::spool
