// One claimed file from Pickup/cur into the spool.
#include <fmt/format.h>
#include <sys/stat.h>

#include "limits.h"
#include "mailroot/message/trace.h"
#include "mailroot/smtp/content.h"
#include "pickup_reader.h"

namespace mailroot::receive {

using reactor::Descriptor;
using reactor::FileStatus;
using reactor::task;

namespace {

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

PickupVerdict cannot_open(Errc code, const FileStatus& status) {
  switch (code) {
    case Errc::not_found:
      return {PickupOutcome::gone, "", 0};
    case Errc::permission:
      return bad(fmt::format(
          "this service has no permission to read it: its mode is {:04o}, its owner {}, its group "
          "{}; whoever writes it has to let the group of Pickup read it (umask 027 or 007)",
          status.mode & 07777, status.user, status.group));
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
    if (!window) co_return std::unexpected(windows.failure(window.error()));
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

task<PickupVerdict> PickupReader::Impl::examine(std::string entry,
                                                std::unique_ptr<spool::Draft> draft,
                                                PreparedPickup& prepared) {
  prepared.draft = std::move(draft);
  // Looked at before it is opened: opening a device or a pipe can have effects of its own.
  auto named = co_await reactor.stat_at(home.pickup.current, entry);
  if (!named) co_return cannot_open(named.error().code, {});
  if (auto verdict = check_kind(*named)) co_return std::move(*verdict);
  auto file = co_await reactor.open_at(home.pickup.current, entry, kPickupOpen, 0);
  if (!file) co_return cannot_open(file.error().code, *named);
  PickupVerdict verdict = later("its state cannot be read");
  auto opened = co_await reactor.stat_at(*file, "");
  if (opened) {
    auto wrong = check_kind(*opened);
    if (wrong) {
      verdict = std::move(*wrong);
    } else {
      const auto settings = service.settings();
      auto parsed = co_await read_pickup(reactor, *file, opened->size_bytes, *settings);
      if (!parsed) {
        verdict = std::move(parsed.error());
      } else {
        verdict = co_await store(*file, *opened, std::move(*parsed), prepared);
      }
    }
  }
  co_await reactor.close_now(*file);
  if (opened) verdict.inode = opened->inode;
  co_return verdict;
}

std::string PickupReader::Impl::fields_on_top(const QueueId& id, const ReadPickup& parsed) const {
  const auto settings = service.settings();
  const std::string text_id = to_string(id);
  const smtp::Envelope& envelope = parsed.file.envelope;
  message::ReceivedFacts facts;
  facts.by_host = settings->fqdn;
  facts.queue_id = text_id;
  facts.received_at = reactor.wall_now();
  if (envelope.recipients.size() == 1) facts.only_recipient = &envelope.recipients[0].address;
  std::string fields = message::received_field(facts);
  // What was in the queue once has been completed then, or was not to be.
  if (settings->stamp_headers == "never" || parsed.file.queue_header) return fields;
  return fields + message::missing_fields(parsed.facts, facts.received_at, text_id, settings->fqdn);
}

// The content into the draft; `taken` when all of it is there.
task<PickupVerdict> PickupReader::Impl::store(Descriptor file, FileStatus status, ReadPickup parsed,
                                              PreparedPickup& prepared) {
  const uint64_t limit = service.settings()->size_limit_bytes;
  spool::Draft& draft = *prepared.draft;
  draft.set_origin("pickup");
  draft.expect_envelope(parsed.file.envelope);
  if (!draft.append(as_bytes(fields_on_top(draft.id(), parsed)))) {
    co_return later("there is no memory for it");
  }
  PickupWindows windows(reactor, file, parsed.file.content, parsed.whole);
  auto copied = co_await copy(windows, parsed, limit, draft);
  if (!copied) co_return std::move(copied.error());
  auto after = co_await reactor.stat_at(file, "");
  if (!after || !is_same_state(status, *after)) {
    co_return PickupVerdict{PickupOutcome::changing, kChanged, 0};
  }
  prepared.envelope = std::move(parsed.file.envelope);
  const smtp::ContentTraits& traits = copied->traits;
  if (prepared.envelope.body == smtp::BodyType::seven_bit &&
      (traits.eight_bit_header || traits.eight_bit_body)) {
    prepared.envelope.body = smtp::BodyType::eight_bit_mime;
  }
  co_return PickupVerdict{PickupOutcome::taken, "", 0};
}

task<PickupVerdict> PickupReader::Impl::commit(PreparedPickup prepared, CommittedPickup& message) {
  message.id = prepared.draft->id();
  message.envelope = prepared.envelope;
  message.size_bytes = prepared.draft->size_bytes();
  message.times.arrived = reactor.wall_now();
  message.times.next_attempt = message.times.arrived;
  const Instant began = reactor.now();
  const auto outcome = co_await service.spool().commit(std::move(prepared.draft),
                                                       std::move(prepared.envelope), message.times);
  message.commit_time = reactor.now() - began;
  switch (outcome) {
    case spool::CommitResult::durable:
      co_return PickupVerdict{PickupOutcome::taken, "", 0};
    case spool::CommitResult::refused:
      co_return later("the spool could not store it");
    case spool::CommitResult::unknown:
      break;
  }
  co_return PickupVerdict{
      PickupOutcome::unknown,
      "the journal failed before it was known whether the message is stored; the file stays in "
      "Pickup/cur, and the next start sends it if it is not",
      0};
}

}  // namespace mailroot::receive
