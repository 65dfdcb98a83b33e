// The books of one run: what was offered, promised, delivered and returned, and what that breaks.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "mailroot/base/time.h"

namespace mailroot::simtest {

// One acceptance of one recipient by a next hop, or one file in Drop.
struct Delivery {
  Instant began{};  // when the next hop accepted the connection
  Instant at{};
  // The sender went on after our 250, so it had read it. Without that a repetition is its duty.
  bool is_certain = false;
};

struct RecipientBook {
  bool accepted = false;             // 250 to RCPT
  bool refused_permanently = false;  // some hop said 5yz to it, or to whoever brought it
  bool in_badmail = false;
  std::list<Delivery> deliveries;
  std::list<Delivery> failure_reports;
  std::vector<Instant> logged;  // "delivered", which stands for a durable Status
  uint32_t drops = 0;
  bool is_settled() const {
    return !deliveries.empty() || !failure_reports.empty() || drops > 0 || in_badmail;
  }
};

enum class Promise : uint8_t {
  none,      // its content was not sent to the end
  unknown,   // sent to the end; no reply was read
  rejected,  // 4yz or 5yz
  given,     // 250
};

struct Submission {
  uint32_t server = 0;
  std::string sender;  // empty: the null reverse-path
  std::string content;
  std::map<std::string, RecipientBook> recipients;
  Promise promise = Promise::none;
  std::string queue_id;
  Instant began_at{};
};

class Ledger {
 public:
  // Addresses are used once, so each names its submission.
  Submission& open(uint32_t server, std::string sender, std::vector<std::string> recipients,
                   std::string content);
  Submission* of_recipient(std::string_view address);
  Submission* of_sender(std::string_view address);
  RecipientBook* recipient(std::string_view address);

  // A next hop took `content` for these recipients. Returns what to mark certain later.
  std::vector<Delivery*> take(std::string_view sender, const std::vector<std::string>& recipients,
                              std::string_view content, Instant began, Instant now);
  void dropped(std::string_view name, std::string_view file);
  void in_badmail(std::string_view name, std::string_view file);
  // A next hop's 5yz: about one recipient, or whoever has mail for its domain (empty: everybody).
  void refuse(std::string_view address);
  void refuse_all(std::string_view domain);
  void logged_delivered(std::string_view recipient, Instant now);
  void program_ended(Instant now) { ends_.push_back(now); }
  void expires_after(uint32_t server, Duration time) { expiration_[server] = time; }

  void violation(std::string text);
  // For a replay by eye.
  void set_trace(std::function<void(std::string_view)> trace) { trace_ = std::move(trace); }
  void note(std::string_view text) const {
    if (trace_) trace_(text);
  }
  // Oracles 1 to 3, when everything has come to rest. `left`: queue ids still in Queue.
  void audit(const std::set<std::string>& left);
  const std::vector<std::string>& violations() const { return violations_; }
  size_t promises_given() const;
  size_t deliveries() const { return taken_; }
  size_t reports() const { return reports_; }

 private:
  void take_report(std::string_view sender, std::string_view content, const Delivery& delivery,
                   std::vector<Delivery*>& taken);
  void check_repetitions(std::string_view address, const RecipientBook& book);
  void check_report(std::string_view address, const Submission& submission,
                    const RecipientBook& book);
  bool ended_between(Instant from, Instant to) const;

  std::vector<std::unique_ptr<Submission>> submissions_;
  std::map<std::string, Submission*, std::less<>> by_recipient_;
  std::map<std::string, Submission*, std::less<>> by_sender_;
  std::vector<Instant> ends_;
  std::map<uint32_t, Duration> expiration_;
  std::set<std::string, std::less<>> refusing_domains_;
  bool smart_host_refuses_ = false;
  std::vector<std::string> violations_;
  std::function<void(std::string_view)> trace_;
  size_t taken_ = 0;
  size_t reports_ = 0;
};

}  // namespace mailroot::simtest
