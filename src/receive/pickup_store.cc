// One claimed file from Pickup/cur into the spool.
#include <fcntl.h>
#include <sys/stat.h>

#include "limits.h"
#include "mailroot/message/trace.h"
#include "mailroot/receive/pickup.h"
#include "mailroot/smtp/content.h"
#include "pickup_file.h"

namespace mailroot::receive {

using reactor::Descriptor;
using reactor::FileStatus;
using reactor::task;

namespace {

// Without O_NONBLOCK a writer could hold us with a pipe, O_NOFOLLOW is the backend's rule too.
constexpr uint32_t kOpen = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;

PickupVerdict bad(std::string reason) { return {PickupOutcome::bad, std::move(reason), 0}; }
PickupVerdict later(std::string reason) { return {PickupOutcome::later, std::move(reason), 0}; }

std::string_view kind_of(uint32_t mode) {
  if (S_ISLNK(mode)) return "a symbolic link";
  if (S_ISFIFO(mode)) return "a pipe";
  if (S_ISSOCK(mode)) return "a socket";
  if (S_ISDIR(mode)) return "a directory";
  return "a device";
}

// A link elsewhere would let the writer read, through us, what another user may not send.
std::optional<PickupVerdict> check_kind(const FileStatus& status) {
  if (!S_ISREG(status.mode)) {
    return bad("it is " + std::string(kind_of(status.mode)) + ", not a regular file");
  }
  if (status.link_count > 1) return bad("it has more than one name (hard link)");
  return std::nullopt;
}

PickupVerdict cannot_open(Errc code) {
  switch (code) {
    case Errc::not_found:
      return {PickupOutcome::gone, "", 0};
    case Errc::permission:
      return bad("this service has no permission to read it");
    case Errc::invalid:
    case Errc::unsupported:
      return bad("it cannot be opened as a regular file");
    default:
      return later("it cannot be opened: " + std::string(describe(code)));
  }
}

bool is_same_state(const FileStatus& a, const FileStatus& b) {
  return a.device == b.device && a.inode == b.inode && a.size_bytes == b.size_bytes &&
         a.modified == b.modified;
}

task<result<void>> append_all(spool::Draft& draft, const std::vector<ByteView>& pieces) {
  for (const ByteView piece : pieces) {
    if (!draft.append(piece)) co_return std::unexpected(draft.failure().value_or(Error{}));
    if (!draft.wants_flush()) continue;
    auto flushed = co_await draft.flush();
    if (!flushed) co_return flushed;
  }
  co_return result<void>{};
}

struct Copied {
  uint64_t size_bytes = 0;
  smtp::ContentTraits traits;
};

// The second pass: the content into the draft, `size_limit_bytes` of it at the most.
task<std::expected<Copied, PickupVerdict>> copy(PickupWindows& windows, const ReadPickup& parsed,
                                                uint64_t size_limit_bytes, spool::Draft& draft) {
  const bool verbatim = parsed.file.queue_header.has_value();
  message::PickupContent content(parsed.stuffed);
  smtp::ContentScan scan;
  Copied copied;
  std::vector<ByteView> pieces;
  for (bool more = true; more;) {
    auto window = co_await windows.next();
    if (!window) co_return std::unexpected(later("it changed or failed while it was read"));
    more = !window->empty();
    pieces.clear();
    if (verbatim) {
      pieces.push_back(*window);
    } else if (more) {
      content.add(*window, pieces);
    } else {
      content.finish(pieces);
    }
    for (const ByteView piece : pieces) {
      scan.add(piece);
      copied.size_bytes += piece.size();
    }
    if (size_limit_bytes != 0 && copied.size_bytes > size_limit_bytes) {
      co_return std::unexpected(bad(kTooLarge));
    }
    auto appended = co_await append_all(draft, pieces);
    if (!appended) {
      co_return std::unexpected(
          later("it cannot be stored: " + std::string(describe(appended.error().code))));
    }
  }
  copied.traits = scan.traits();
  co_return copied;
}

}  // namespace

task<PickupVerdict> PickupReader::examine(std::string name) {
  // Looked at before it is opened: opening a device or a pipe can have effects of its own.
  auto named = co_await reactor_.stat_at(home_.pickup.current, name);
  if (!named) co_return cannot_open(named.error().code);
  if (auto verdict = check_kind(*named)) co_return std::move(*verdict);
  auto file = co_await reactor_.open_at(home_.pickup.current, name, kOpen, 0);
  if (!file) co_return cannot_open(file.error().code);
  PickupVerdict verdict = later("its state cannot be read");
  auto opened = co_await reactor_.stat_at(*file, "");
  if (opened) {
    auto wrong = check_kind(*opened);
    if (wrong) {
      verdict = std::move(*wrong);
    } else {
      verdict = co_await submit(*file, *opened, std::move(name));
    }
  }
  co_await reactor_.close_now(*file);
  if (opened) verdict.inode = opened->inode;
  co_return verdict;
}

task<PickupVerdict> PickupReader::submit(Descriptor file, FileStatus status, std::string name) {
  const auto settings = service_.settings();
  auto parsed = co_await read_pickup(reactor_, file, status.size_bytes, *settings);
  if (!parsed) co_return std::move(parsed.error());
  auto verdict = co_await store(file, status, std::move(*parsed), std::move(name));
  co_return verdict;
}

std::string PickupReader::fields_on_top(const QueueId& id, const ReadPickup& parsed) const {
  const auto settings = service_.settings();
  const std::string text_id = to_string(id);
  const smtp::Envelope& envelope = parsed.file.envelope;
  message::ReceivedFacts facts;
  facts.by_host = settings->fqdn;
  facts.queue_id = text_id;
  facts.received_at = reactor_.wall_now();
  if (envelope.recipients.size() == 1) facts.only_recipient = &envelope.recipients[0].address;
  std::string fields = message::received_field(facts);
  // What was in the queue once has been completed then, or was not to be.
  if (settings->stamp_headers == "never" || parsed.file.queue_header) return fields;
  return fields + message::missing_fields(parsed.facts, facts.received_at, text_id, settings->fqdn);
}

task<PickupVerdict> PickupReader::store(Descriptor file, FileStatus status, ReadPickup parsed,
                                        std::string name) {
  const uint64_t limit = service_.settings()->size_limit_bytes;
  std::unique_ptr<spool::Draft> draft = service_.spool().begin_draft();
  draft->set_origin("pickup");
  draft->expect_envelope(parsed.file.envelope);
  if (!draft->append(as_bytes(fields_on_top(draft->id(), parsed)))) {
    co_return later("there is no memory for it");
  }
  PickupWindows windows(reactor_, file, parsed.file.content);
  auto copied = co_await copy(windows, parsed, limit, *draft);
  if (!copied) co_return std::move(copied.error());
  auto after = co_await reactor_.stat_at(file, "");
  if (!after || !is_same_state(status, *after)) {
    co_return later("it changed while it was read");
  }
  smtp::Envelope envelope = std::move(parsed.file.envelope);
  const smtp::ContentTraits& traits = copied->traits;
  if (envelope.body == smtp::BodyType::seven_bit &&
      (traits.eight_bit_header || traits.eight_bit_body)) {
    envelope.body = smtp::BodyType::eight_bit_mime;
  }
  auto verdict = co_await commit(std::move(draft), std::move(envelope), std::move(name));
  co_return verdict;
}

task<PickupVerdict> PickupReader::commit(std::unique_ptr<spool::Draft> draft,
                                         smtp::Envelope envelope, std::string name) {
  auto& counters = service_.counters();
  const smtp::Envelope stored = envelope;
  const QueueId id = draft->id();
  const uint64_t size_bytes = draft->size_bytes();
  spool::MessageTimes times;
  times.arrived = reactor_.wall_now();
  times.next_attempt = times.arrived;
  const Instant began = reactor_.now();
  const auto outcome =
      co_await service_.spool().commit(std::move(draft), std::move(envelope), times);
  if (outcome == spool::CommitResult::refused) {
    co_return later("the spool could not store it");
  }
  if (outcome == spool::CommitResult::unknown) {
    co_return PickupVerdict{
        PickupOutcome::unknown,
        "the journal failed before it was known whether the message is stored; the file stays in "
        "Pickup/cur and is tried again at the next start",
        0};
  }
  counters.messages.fetch_add(1, std::memory_order_relaxed);
  counters.recipients.fetch_add(stored.recipients.size(), std::memory_order_relaxed);
  counters.bytes.fetch_add(size_bytes, std::memory_order_relaxed);
  service_.accepted(id, stored, times, size_bytes);
  if (service_.log().enabled(log::Level::info)) {
    const auto micros =
        std::chrono::duration_cast<std::chrono::microseconds>(reactor_.now() - began);
    service_.log().write(log::Event(log::Level::info, "accepted")
                             .with("server", service_.settings()->id)
                             .with("queue_id", to_string(id))
                             .with("peer", "pickup")
                             .with("file", name)
                             .with("from", smtp::to_path(stored.reverse_path))
                             .with("to", smtp::to_path(stored.recipients.front().address))
                             .with("recipients", static_cast<int64_t>(stored.recipients.size()))
                             .with("size", static_cast<int64_t>(size_bytes))
                             .with("commit_us", micros.count()));
  }
  co_return PickupVerdict{PickupOutcome::taken, "", 0};
}

}  // namespace mailroot::receive
