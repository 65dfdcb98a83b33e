// The log facade: one event, its name and its fields. Shards build an Event and hand it to a Sink;
// what formats it (text or JSON, stderr or journal) lives in control/. Pure: no clock, no I/O.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace mailroot::log {

enum class Level : uint8_t { trace, debug, info, warning, error };

using Value = std::variant<std::string, int64_t>;

// One line of the log. `name` is a stable word ("accepted", "delivered", "deferred", "bounced",
// "connection", "reload"); field names are stable too: programs read them.
class Event {
 public:
  Event(Level level, std::string_view name) : level_(level), name_(name) {}
  Event&& with(std::string_view key, std::string_view value) && {
    fields_.emplace_back(key, std::string(value));
    return std::move(*this);
  }
  Event&& with(std::string_view key, int64_t value) && {
    fields_.emplace_back(key, value);
    return std::move(*this);
  }
  Event& with(std::string_view key, std::string_view value) & {
    fields_.emplace_back(key, std::string(value));
    return *this;
  }
  Event& with(std::string_view key, int64_t value) & {
    fields_.emplace_back(key, value);
    return *this;
  }
  Level level() const { return level_; }
  std::string_view name() const { return name_; }
  const std::vector<std::pair<std::string_view, Value>>& fields() const { return fields_; }

 private:
  Level level_;
  std::string_view name_;  // static storage, as are the keys
  std::vector<std::pair<std::string_view, Value>> fields_;
};

class Sink {
 public:
  virtual ~Sink() = default;
  // Never blocks the caller; a full ring drops and counts. Callable from the sink's shard only.
  virtual void write(Event&& event) = 0;
  virtual bool enabled(Level level) const = 0;
};

// Control characters, quotes and non-ASCII bytes become \xNN: what a peer sent can never forge or
// hide a log line (threats 60).
std::string escape(std::string_view text);

}  // namespace mailroot::log
