// A message as its Queue file has it, also while it is in the journal only: a piece at a time, so
// that neither a shard nor the control thread holds more.
#include <algorithm>

#include "limits.h"
#include "mailroot/base/crc32c.h"
#include "mailroot/server/cross.h"
#include "moving.h"
#include "supervisor_state.h"

namespace mailroot::server {

using reactor::task;

namespace {

using Piece = std::optional<result<MessagePiece>>;

// Loads the message, and looks at all of it: the block tells the checksum.
task<result<ContentReading>> begin_reading(ServerShard& server, QueueId id) {
  auto loaded = co_await server.load(id);
  if (!loaded) co_return std::unexpected(loaded.error());
  ContentReading reading;
  reading.id = id;
  reading.message = std::move(*loaded);
  uint32_t checksum = 0;
  for (;;) {
    const auto windows = co_await reading.message.content->next();
    if (!windows) co_return std::unexpected(windows.error());
    if (windows->empty()) break;
    for (const ByteView window : *windows) checksum = crc32c(window, checksum);
  }
  reading.message.content->rewind();
  reading.head = queue_block(reading.message, reading.message.status, checksum);
  co_return reading;
}

// What of `bytes`, which stand where the reading is, lies behind `offset`.
void take(ContentReading& reading, std::string_view bytes, uint64_t offset, std::string& out) {
  const uint64_t skipped = std::min<uint64_t>(bytes.size(), offset - std::min(offset, reading.at));
  out += bytes.substr(skipped);
  reading.at += bytes.size();
}

// From the offset on, until it is a piece or the end.
task<result<std::string>> read_piece(ContentReading& reading, uint64_t offset) {
  std::string out;
  if (reading.at == 0) take(reading, reading.head, offset, out);
  while (out.size() < kPieceBytes) {
    const auto windows = co_await reading.message.content->next();
    if (!windows) co_return std::unexpected(windows.error());
    if (windows->empty()) break;
    for (const ByteView window : *windows) take(reading, as_text(window), offset, out);
  }
  co_return out;
}

// The server may end while its disk is waited for; what is read belongs to the reading.
task<Piece> piece_here(Shard& shard, std::string server_id, QueueId id, uint64_t offset) {
  ServerShard* const server = shard.find(server_id);
  if (server == nullptr || !server->dispatcher().queue().show(id)) co_return std::nullopt;
  // Taken out: another question may come meanwhile.
  std::optional<ContentReading> reading = std::exchange(server->reading(), std::nullopt);
  const bool goes_on = reading && reading->id == id && offset != 0 && reading->at == offset;
  if (!goes_on) {
    reading.reset();
    auto begun = co_await begin_reading(*server, id);
    if (!begun && begun.error().code == Errc::not_found) co_return std::nullopt;
    if (!begun) co_return Piece(std::unexpected(begun.error()));
    reading = std::move(*begun);
  }
  auto bytes = co_await read_piece(*reading, offset);
  if (!bytes) co_return Piece(std::unexpected(bytes.error()));
  const uint64_t total = reading->total_bytes();
  ServerShard* const still = shard.find(server_id);
  if (still != nullptr && reading->at < total) still->reading() = std::move(reading);
  co_return Piece(MessagePiece{server_id, total, std::move(*bytes)});
}

}  // namespace

task<std::optional<result<MessagePiece>>> Supervisor::content(std::string server, QueueId id,
                                                              uint64_t offset) {
  State_& state = *state_;
  std::vector<std::string> ids;
  for (const auto& [known, record] : state.records) {
    if (server.empty() || server == known) ids.push_back(known);
  }
  for (const std::string& known : ids) {
    for (size_t i = 0; i < state.shards.size(); ++i) {
      Shard* there = state.shards[i].get();
      auto work = [there, known, id, offset]() -> task<Piece> {
        return piece_here(*there, known, id, offset);
      };
      auto piece = co_await on_shard<Piece>(state.control, *there, std::move(work));
      if (piece) co_return piece;
    }
  }
  co_return std::nullopt;
}

}  // namespace mailroot::server
