// Fixed answers of the `dns.hosts` setting: for tests and for networks without DNS.
#include <charconv>
#include <map>

#include "record_source.h"

namespace mailroot::dns {

namespace {

constexpr uint32_t kFixedTtlSeconds = 3600;

struct Entry {
  std::vector<Record> records;
  std::optional<Failure> failure;
};

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  if (out.size() > 1 && out.ends_with('.')) out.pop_back();
  return out;
}

// "10 mail.example" -> preference and host; nothing when it is not of that form.
std::optional<Record> parse_mx(std::string_view text) {
  Record record;
  record.type = RecordType::mx;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), record.preference);
  if (error != std::errc()) return std::nullopt;
  std::string_view rest = text.substr(static_cast<size_t>(end - text.data()));
  const size_t start = rest.find_first_not_of(' ');
  if (start == 0 || start == std::string_view::npos) return std::nullopt;
  record.target = lower(rest.substr(start));
  return record;
}

void add_value(Entry& entry, const std::string& owner, const std::string& value) {
  Record record;
  if (value == "nxdomain") {
    entry.failure = Failure::no_such_domain;
  } else if (value == "servfail") {
    entry.failure = Failure::server_failure;
  } else if (value == "timeout") {
    entry.failure = Failure::timed_out;
  } else if (value == "null-mx") {
    record.type = RecordType::mx;
    entry.records.push_back(record);
  } else if (const auto address = IpAddress::parse(value)) {
    record.type = address->family() == IpFamily::v4 ? RecordType::a : RecordType::aaaa;
    record.address = address;
    entry.records.push_back(record);
  } else if (value.starts_with("mx:")) {
    if (auto mx = parse_mx(std::string_view(value).substr(3))) entry.records.push_back(*mx);
  } else if (value.starts_with("cname:")) {
    record.type = RecordType::cname;
    record.target = lower(std::string_view(value).substr(6));
    entry.records.push_back(record);
  }
  for (Record& added : entry.records) {
    added.owner = owner;
    added.ttl_seconds = kFixedTtlSeconds;
  }
}

class FixedSource final : public RecordSource {
 public:
  FixedSource(const std::vector<FixedAnswer>& answers, std::unique_ptr<RecordSource> fallback)
      : fallback_(std::move(fallback)) {
    for (const FixedAnswer& answer : answers) {
      const std::string name = lower(answer.name);
      Entry& entry = entries_[name];
      for (const std::string& value : answer.values) add_value(entry, name, value);
    }
  }

  reactor::task<std::expected<Answer, Failure>> query(std::string name, RecordType type,
                                                      reactor::Wait wait) override {
    const auto found = entries_.find(lower(name));
    if (found == entries_.end()) {
      if (fallback_ == nullptr) co_return std::unexpected(Failure::no_such_domain);
      auto answer = co_await fallback_->query(std::move(name), type, wait);
      co_return answer;
    }
    if (found->second.failure) co_return std::unexpected(*found->second.failure);
    Answer answer;
    answer.ttl_seconds = kFixedTtlSeconds;
    for (const Record& record : found->second.records) {
      if (record.type == type || record.type == RecordType::cname) {
        answer.records.push_back(record);
      }
    }
    co_return answer;
  }

 private:
  std::map<std::string, Entry> entries_;
  std::unique_ptr<RecordSource> fallback_;
};

}  // namespace

std::unique_ptr<RecordSource> make_fixed_source(std::vector<FixedAnswer> answers,
                                                std::unique_ptr<RecordSource> fallback) {
  return std::make_unique<FixedSource>(answers, std::move(fallback));
}

}  // namespace mailroot::dns
