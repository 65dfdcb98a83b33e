// Connections of all shards, gathered a page at a time: no shard is held longer than that takes.
#include <algorithm>
#include <charconv>
#include <utility>

#include "limits.h"
#include "mailroot/server/cross.h"
#include "supervisor_state.h"

namespace mailroot::server {

using reactor::task;

namespace {

using Part = std::vector<OpenConnection>;

std::string_view word(receive::SessionStage stage) {
  switch (stage) {
    case receive::SessionStage::greeting:
      return "greeting";
    case receive::SessionStage::idle:
      return "idle";
    case receive::SessionStage::envelope:
      return "envelope";
    case receive::SessionStage::content:
      break;
  }
  return "content";
}

std::string_view word(deliver::ConnectionStage stage) {
  switch (stage) {
    case deliver::ConnectionStage::connecting:
      return "connecting";
    case deliver::ConnectionStage::transaction:
      return "transaction";
    case deliver::ConnectionStage::final_reply:
      return "final-reply";
    case deliver::ConnectionStage::idle:
      break;
  }
  return "idle";
}

Part inbound(ServerShard& server, const ConnectionName& after, size_t max) {
  Part part;
  for (receive::SessionView& view : server.sessions().page(after.number, max)) {
    OpenConnection one;
    one.name = after;
    one.name.number = view.number;
    one.peer = view.peer.to_string();
    one.local = view.local.to_string();
    one.hello = std::move(view.client_name);
    one.user = std::move(view.user);
    one.stage = word(view.stage);
    one.since = view.opened;
    one.messages = view.messages;
    one.bytes = view.bytes;
    part.push_back(std::move(one));
  }
  return part;
}

Part outbound(ServerShard& server, const ConnectionName& after, size_t max) {
  Part part;
  for (deliver::ConnectionView& view : server.dispatcher().connections(after.number, max)) {
    OpenConnection one;
    one.name = after;
    one.name.number = view.number;
    if (view.address) one.peer = view.address->to_string();
    one.host = std::move(view.peer);
    one.destination = std::move(view.destination);
    one.stage = word(view.stage);
    one.since = view.since;
    one.messages = view.messages;
    one.bytes = view.bytes;
    part.push_back(std::move(one));
  }
  return part;
}

task<Part> part_here(Shard& shard, ConnectionName after, size_t max) {
  ServerShard* server = shard.find(after.server);
  if (server == nullptr) co_return Part{};
  co_return after.direction == Direction::in ? inbound(*server, after, max)
                                             : outbound(*server, after, max);
}

task<deliver::CloseResult> close_here(Shard& shard, ConnectionName name) {
  ServerShard* server = shard.find(name.server);
  if (server == nullptr) co_return deliver::CloseResult::not_found;
  if (name.direction == Direction::out)
    co_return server->dispatcher().close_connection(name.number);
  const bool ended = server->sessions().end(name.number);
  co_return ended ? deliver::CloseResult::closed : deliver::CloseResult::not_found;
}

template <class T>
bool take_number(std::string_view& text, T& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc()) return false;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  return true;
}

}  // namespace

std::optional<ConnectionName> ConnectionName::parse(std::string_view text) {
  const size_t slash = text.rfind('/');
  if (slash == std::string_view::npos || slash == 0) return std::nullopt;
  ConnectionName name;
  name.server = text.substr(0, slash);
  text.remove_prefix(slash + 1);
  const bool is_in = text.starts_with("in");
  if (!is_in && !text.starts_with("out")) return std::nullopt;
  name.direction = is_in ? Direction::in : Direction::out;
  text.remove_prefix(is_in ? 2 : 3);
  if (!take_number(text, name.shard) || !text.starts_with('.')) return std::nullopt;
  text.remove_prefix(1);
  if (!take_number(text, name.number) || !text.empty()) return std::nullopt;
  return name;
}

std::string ConnectionName::to_string() const {
  return server + (direction == Direction::in ? "/in" : "/out") + std::to_string(shard) + "." +
         std::to_string(number);
}

std::vector<LoginBan> Supervisor::login_bans(const std::string& server) const {
  const State_& state = *state_;
  const Instant now = state.control.now();
  std::vector<LoginBan> out;
  for (const auto& [id, record] : state.records) {
    if (record.shared == nullptr || (!server.empty() && server != id)) continue;
    for (auto& ban : record.shared->login_guard.bans(now)) {
      out.push_back({id, ban.is_address, std::move(ban.who), ban.failures,
                     state.control.wall_now() + (ban.until - now)});
    }
  }
  return out;
}

size_t Supervisor::clear_login_bans(const std::string& server, const std::string& who) {
  State_& state = *state_;
  size_t ended = 0;
  for (const auto& [id, record] : state.records) {
    if (record.shared == nullptr || (!server.empty() && server != id)) continue;
    ended += record.shared->login_guard.clear(who, state.control.now());
  }
  return ended;
}

task<ConnectionPage> Supervisor::connections(std::string server,
                                             std::optional<ConnectionName> after, uint32_t max) {
  State_& state = *state_;
  std::vector<std::string> ids;
  for (const auto& [id, record] : state.records) {
    const bool is_asked = server.empty() || server == id;
    if (is_asked && (!after || id >= after->server)) ids.push_back(id);
  }
  ConnectionPage page;
  for (const std::string& id : ids) {
    ConnectionName at;
    at.server = id;
    if (after && after->server == id) at = *after;
    while (at.shard < state.shards.size()) {
      const size_t room = max - page.entries.size();
      if (room == 0) {
        page.has_more = true;
        co_return page;
      }
      const size_t wanted = std::min<size_t>(room, kConnectionsPage);
      Shard* there = state.shards[at.shard].get();
      auto work = [there, at, wanted]() -> task<Part> { return part_here(*there, at, wanted); };
      Part part = co_await on_shard<Part>(state.control, *there, std::move(work));
      const bool is_full = part.size() == wanted;
      if (is_full) at.number = part.back().name.number;
      for (OpenConnection& one : part) page.entries.push_back(std::move(one));
      if (is_full) continue;
      at.number = 0;
      if (at.direction == Direction::out) ++at.shard;
      at.direction = at.direction == Direction::in ? Direction::out : Direction::in;
    }
  }
  co_return page;
}

task<deliver::CloseResult> Supervisor::close_connection(ConnectionName name) {
  State_& state = *state_;
  if (name.shard >= state.shards.size()) co_return deliver::CloseResult::not_found;
  Shard* there = state.shards[name.shard].get();
  auto work = [there, name]() -> task<deliver::CloseResult> { return close_here(*there, name); };
  const auto result =
      co_await on_shard<deliver::CloseResult>(state.control, *there, std::move(work));
  co_return result;
}

}  // namespace mailroot::server
