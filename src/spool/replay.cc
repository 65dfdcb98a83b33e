#include "replay.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace mailroot::spool {

namespace {

struct PlacedGroup {
  const ScannedGroup* group = nullptr;
  size_t segment = 0;
  uint64_t sequence() const { return group->header.sequence; }
};

// The journal of one shard in one epoch, by sequence.
struct Stream {
  std::vector<PlacedGroup> groups;
  std::vector<VoidRecord> voids;
  uint64_t durable_through = 0;

  bool is_void(uint64_t sequence) const {
    return std::any_of(voids.begin(), voids.end(), [sequence](const VoidRecord& v) {
      return v.first_sequence <= sequence && sequence <= v.last_sequence;
    });
  }
  bool is_void(uint64_t first, uint64_t last) const {
    for (uint64_t sequence = first; sequence <= last;) {
      const auto covering = std::find_if(voids.begin(), voids.end(), [sequence](const auto& v) {
        return v.first_sequence <= sequence && sequence <= v.last_sequence;
      });
      if (covering == voids.end()) return false;
      sequence = covering->last_sequence + 1;
    }
    return true;
  }
  void take_voids(const ScannedGroup& group) {
    for (const Record& record : group.records) {
      const auto* v = std::get_if<VoidRecord>(&record);
      if (v != nullptr && v->last_sequence < group.header.sequence) voids.push_back(*v);
    }
  }
};

using Streams =
    std::map<std::pair<uint32_t, uint16_t>, Stream>;  // epoch first: older applied first

Streams sort_groups(const std::vector<SegmentScan>& segments) {
  Streams streams;
  for (size_t i = 0; i < segments.size(); ++i) {
    for (const ScannedGroup& group : segments[i].groups) {
      Stream& stream = streams[{group.header.epoch, group.header.shard}];
      stream.groups.push_back({&group, i});
      stream.durable_through = std::max(stream.durable_through, group.header.durable_through);
    }
  }
  for (auto& [key, stream] : streams) {
    std::sort(stream.groups.begin(), stream.groups.end(),
              [](const PlacedGroup& a, const PlacedGroup& b) {
                return std::pair(a.sequence(), a.segment) < std::pair(b.sequence(), b.segment);
              });
    for (const PlacedGroup& placed : stream.groups) {
      if (placed.sequence() <= stream.durable_through) stream.take_voids(*placed.group);
    }
  }
  return streams;
}

// The groups that count: all that a later one calls durable, then those that follow without a gap.
// A gap filled by a Void in the very group behind it is none; a torn group is a gap.
std::vector<PlacedGroup> counted_groups(Stream& stream) {
  uint64_t expected = stream.durable_through + 1;
  std::vector<PlacedGroup> counted;
  for (const PlacedGroup& placed : stream.groups) {
    const uint64_t sequence = placed.sequence();
    if (sequence > stream.durable_through) {
      if (!placed.group->damaged.empty()) continue;  // torn: its write never ended
      if (sequence > expected) {
        Stream with_own;
        with_own.voids = stream.voids;
        with_own.take_voids(*placed.group);
        if (!with_own.is_void(expected, sequence - 1)) continue;
      }
      stream.take_voids(*placed.group);
      expected = sequence + 1;
    }
    counted.push_back(placed);
  }
  return counted;
}

class Applier {
 public:
  explicit Applier(Replay& out) : out_(out) {}

  void apply(const PlacedGroup& placed) {
    group_ = &placed;
    const std::vector<size_t>& damaged = placed.group->damaged;
    for (size_t i = 0; i < placed.group->records.size(); ++i) {
      if (std::find(damaged.begin(), damaged.end(), i) == damaged.end()) {
        std::visit(*this, placed.group->records[i]);
      } else {
        report_body(std::get<AcceptInline>(placed.group->records[i]));
      }
    }
    ++out_.groups;
  }

  void operator()(const AcceptInline& accept) {
    ReplayedMessage& message = of(accept.head.id);
    if (message.head) return;
    message.head = accept.head;
    const GroupHeader& group = group_->group->header;
    message.body = {group_->segment, body_place(group, accept), group.first_block,
                    group.head_blocks};
  }
  void operator()(const AcceptFile& accept) { of(accept.id).file = accept.file; }
  void operator()(const StatusRecord& status) { of(status.id).status = status; }
  void operator()(const PlacedRecord& placed) { of(placed.id).placed = true; }
  void operator()(const DoneRecord& done) { of(done.id).done = true; }
  void operator()(const VoidRecord&) {}

 private:
  ReplayedMessage& of(const QueueId& id) {
    ReplayedMessage& message = out_.messages[id];
    message.id = id;
    return message;
  }
  void report_body(const AcceptInline& accept) {
    out_.damage.push_back({group_->segment, fmt::format("the content of accepted message {} is "
                                                        "damaged in the journal",
                                                        to_string(accept.head.id))});
  }

  Replay& out_;
  const PlacedGroup* group_ = nullptr;
};

// Groups that were durable and are not there any more. Segments are given up oldest first, so what
// is live is without gaps.
void report_missing(const Stream& stream, const std::vector<PlacedGroup>& counted, Replay& out) {
  const auto report = [&](size_t segment, uint64_t first, uint64_t last) {
    out.damage.push_back({segment, fmt::format("durable groups {} to {} of a journal cannot be "
                                               "read; the segment is set aside",
                                               first, last)});
  };
  for (size_t i = 0; i < counted.size(); ++i) {
    const PlacedGroup& placed = counted[i];
    const uint64_t before = placed.sequence() - 1;
    if (i == 0) {
      if (placed.group->after_hole && !stream.is_void(before)) {
        report(placed.segment, before, before);
      }
      continue;
    }
    const PlacedGroup& previous = counted[i - 1];
    const uint64_t last = std::min(before, stream.durable_through);
    if (previous.sequence() >= last || stream.is_void(previous.sequence() + 1, last)) continue;
    report(previous.segment, previous.sequence() + 1, last);
    if (placed.segment != previous.segment) report(placed.segment, previous.sequence() + 1, last);
  }
  if (counted.empty()) return;
  const uint64_t last = counted.back().sequence();
  if (last < stream.durable_through && !stream.is_void(last + 1, stream.durable_through)) {
    report(counted.back().segment, last + 1, stream.durable_through);
  }
}

void keep_newest_status(ReplayedMessage& message) {
  if (!message.head || !message.status) return;
  if (message.status->status.size() != message.head->status.size()) return;
  message.head->status = message.status->status;
  message.head->times = message.status->times;
  if (!message.status->last_reply.empty()) message.head->last_reply = message.status->last_reply;
}

}  // namespace

Replay replay(const std::vector<SegmentScan>& segments) {
  Replay out;
  Streams streams = sort_groups(segments);
  for (auto& [key, stream] : streams) {
    const std::vector<PlacedGroup> counted = counted_groups(stream);
    report_missing(stream, counted, out);
    Applier applier(out);
    for (const PlacedGroup& placed : counted) {
      if (stream.is_void(placed.sequence())) {
        ++out.void_groups;
      } else {
        applier.apply(placed);
      }
    }
    out.tail_groups += stream.groups.size() - counted.size();
  }
  for (auto& [id, message] : out.messages) keep_newest_status(message);
  return out;
}

}  // namespace mailroot::spool
