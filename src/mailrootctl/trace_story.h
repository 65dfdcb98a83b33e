// Stories of messages, gathered from lines of the log in their order. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "log_line.h"

namespace mailroot::ctl {

struct Story {
  std::string id, server;       // server: empty when no line names it
  std::vector<LogLine> events;  // as they were logged
  uint64_t left_out = 0;        // events beyond kStoryEventsMax
  std::string end;              // "" while the log tells none; else that of the last line of one
};

// One for each server that has, or was given, a message with a wanted id.
class Stories {
 public:
  // `server`: empty for all.
  Stories(std::set<std::string> ids, std::string server);
  void add(const LogLine& line);
  // By the time of the first line.
  std::vector<Story> take();

 private:
  std::set<std::string> ids_;
  std::string server_;
  std::map<std::pair<std::string, std::string>, Story> stories_;  // (id, server)
  std::vector<std::pair<std::string, std::string>> order_;
};

// The newest `max` messages that name an address.
class AddressHits {
 public:
  AddressHits(std::string address, size_t max);
  void add(const LogLine& line);
  std::set<std::string> ids() const;
  uint64_t left_out() const { return left_out_; }

 private:
  std::string address_;  // as the log writes it
  size_t max_;
  std::vector<std::string> order_;  // oldest first
  std::set<std::string> known_;
  uint64_t left_out_ = 0;
};

// What a line says, for people: "<bob@example.org>: 250 ok (mx.example.org, attempt 1)".
std::string sentence_of(const LogLine& line);

// "+1.250s" from one time of a log to another; empty when either is none.
std::string lapse(std::string_view from, std::string_view to);

}  // namespace mailroot::ctl
