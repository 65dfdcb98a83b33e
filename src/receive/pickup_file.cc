#include "pickup_file.h"

#include <algorithm>

#include "limits.h"

namespace mailroot::receive {

using message::PickupError;
using reactor::Descriptor;
using reactor::Reactor;
using reactor::task;

namespace {

PickupVerdict later(Error error) { return PickupWindows::failure(error); }

uint64_t size_of(const std::vector<message::ByteRange>& ranges) {
  uint64_t sum = 0;
  for (const message::ByteRange& range : ranges) sum += range.size;
  return sum;
}

// Makes `prefix` the first `size_bytes` bytes of the file.
task<result<void>> extend(Reactor& reactor, Descriptor file, uint64_t size_bytes,
                          std::vector<std::byte>& prefix) {
  const size_t had = prefix.size();
  prefix.resize(size_bytes);
  const iovec piece{prefix.data() + had, prefix.size() - had};
  auto read = co_await reactor.read_at(file, {&piece, 1}, had);
  if (!read) co_return std::unexpected(read.error());
  if (*read != piece.iov_len) co_return fail(Errc::corrupt);
  co_return result<void>{};
}

// Most files are read whole or with one window; only the envelope block of a queue file with very
// many recipients needs more, up to kQueueHeaderMax.
task<std::expected<message::PickupFile, PickupVerdict>> parse(Reactor& reactor, Descriptor file,
                                                              uint64_t size_bytes,
                                                              const config::VirtualServer& settings,
                                                              std::vector<std::byte>& prefix) {
  uint64_t wanted = std::min<uint64_t>(size_bytes, kPickupWindowBytes);
  for (;;) {
    if (wanted > prefix.size()) {
      auto extended = co_await extend(reactor, file, wanted, prefix);
      if (!extended) co_return std::unexpected(later(extended.error()));
    }
    auto parsed = message::parse_pickup(prefix, size_bytes, settings.default_domain);
    if (parsed) co_return std::move(*parsed);
    const uint64_t most = std::min<uint64_t>(size_bytes, message::kQueueHeaderMax);
    if (parsed.error().error != PickupError::incomplete || wanted == most) {
      co_return std::unexpected(
          PickupVerdict{PickupOutcome::bad, std::move(parsed.error().detail), 0});
    }
    wanted = std::min(wanted * kPickupPrefixGrowth, most);
  }
}

// The first pass: hops and fields of the header section, and whether dots are doubled, for which
// the whole content has to be seen. A dot never begins a field, so the header section can be looked
// at before that is known.
task<result<void>> survey(Reactor& reactor, Descriptor file, bool probe_dots, ReadPickup& parsed) {
  const bool verbatim = parsed.file.queue_header.has_value();
  PickupWindows windows(reactor, file, parsed.file.content, parsed.whole);
  message::HeaderScan scan;
  message::DotStuffingProbe probe;
  message::PickupContent content(false);
  std::vector<ByteView> pieces;
  bool in_header = true;
  while (in_header || probe_dots) {
    auto window = co_await windows.next();
    if (!window) co_return std::unexpected(window.error());
    if (window->empty()) break;
    if (probe_dots) probe.add(*window);
    if (!in_header) continue;
    pieces.clear();
    if (verbatim) {
      pieces.push_back(*window);
    } else {
      content.add(*window, pieces);
    }
    for (const ByteView piece : pieces) in_header = in_header && scan.add(piece);
  }
  parsed.facts = scan.finish();
  parsed.stuffed = probe.looks_stuffed();
  co_return result<void>{};
}

}  // namespace

PickupVerdict PickupWindows::failure(Error error) {
  if (error.code == Errc::corrupt) return {PickupOutcome::changing, kChanged, 0};
  return {PickupOutcome::later, "it cannot be read: " + std::string(describe(error.code)), 0};
}

PickupWindows::PickupWindows(Reactor& reactor, Descriptor file,
                             std::vector<message::ByteRange> ranges, ByteView whole)
    : reactor_(reactor), file_(file), ranges_(std::move(ranges)), whole_(whole) {
  if (whole_.empty()) buffer_.resize(std::min<uint64_t>(size_of(ranges_), kPickupWindowBytes));
}

task<result<ByteView>> PickupWindows::next() {
  while (range_ < ranges_.size() && done_ == ranges_[range_].size) {
    ++range_;
    done_ = 0;
  }
  if (range_ == ranges_.size()) co_return ByteView{};
  const message::ByteRange& range = ranges_[range_];
  if (!whole_.empty()) {
    done_ = range.size;
    co_return whole_.subspan(range.offset, range.size);
  }
  const size_t size = std::min<uint64_t>(range.size - done_, buffer_.size());
  const iovec piece{buffer_.data(), size};
  auto read = co_await reactor_.read_at(file_, {&piece, 1}, range.offset + done_);
  if (!read) co_return std::unexpected(read.error());
  if (*read != size) co_return fail(Errc::corrupt);
  done_ += size;
  co_return ByteView(buffer_.data(), size);
}

task<std::expected<ReadPickup, PickupVerdict>> read_pickup(Reactor& reactor, Descriptor file,
                                                           uint64_t size_bytes,
                                                           const config::VirtualServer& settings) {
  std::vector<std::byte> prefix;
  auto parsed = co_await parse(reactor, file, size_bytes, settings, prefix);
  if (!parsed) co_return std::unexpected(std::move(parsed.error()));
  ReadPickup out{std::move(*parsed), {}, {}, false};
  if (prefix.size() == size_bytes && size_bytes <= kPickupWindowBytes)
    out.whole = std::move(prefix);
  const uint64_t limit = settings.size_limit_bytes;
  if (limit != 0 && size_of(out.file.content) > limit) {
    co_return std::unexpected(PickupVerdict{PickupOutcome::bad, kTooLarge, 0});
  }
  const bool verbatim = out.file.queue_header.has_value();
  const bool probe_dots = !verbatim && settings.pickup_dot_stuffing == "auto";
  auto surveyed = co_await survey(reactor, file, probe_dots, out);
  if (!surveyed) co_return std::unexpected(later(surveyed.error()));
  if (!probe_dots) out.stuffed = !verbatim && settings.pickup_dot_stuffing == "stuffed";
  if (out.facts.received > settings.delivery.hop_limit) {
    co_return std::unexpected(
        PickupVerdict{PickupOutcome::bad, "it has been through too many hops: it is looping", 0});
  }
  co_return out;
}

}  // namespace mailroot::receive
