#include "mailroot/receive/login_guard.h"

#include <algorithm>

#include "limits.h"

namespace mailroot::receive {

// Whoever has one address of a /64 has them all.
std::string LoginGuard::name_of(const IpAddress& client) {
  if (client.family() == IpFamily::v4) return client.to_string();
  return Network(client, kLoginPrefixV6).to_string();
}

void LoginGuard::make_room(Table& table, Instant now) {
  if (table.size() < kLoginFailuresMax) return;
  std::erase_if(table, [now](const auto& entry) {
    return entry.second.window_ends <= now && entry.second.banned_until <= now;
  });
  if (table.size() < kLoginFailuresMax) return;
  // Whoever has so many addresses is not stopped by counting them: the oldest gives way.
  table.erase(std::ranges::min_element(table, {},
                                       [](const auto& entry) { return entry.second.window_ends; }));
}

LoginGuard::Failures& LoginGuard::note(Table& table, const std::string& who, uint32_t limit,
                                       Instant now) {
  auto found = table.find(who);
  if (found == table.end()) {
    make_room(table, now);
    found = table.emplace(who, Failures{}).first;
  }
  Failures& failures = found->second;
  if (failures.window_ends <= now) {
    failures.count = 0;
    failures.window_ends = now + kLoginWindow;
  }
  ++failures.count;
  if (failures.count >= limit) {
    failures.banned_until = now + kLoginBan;
    failures.window_ends = failures.banned_until;  // then it begins anew
  }
  return failures;
}

bool LoginGuard::is_at_home(const std::string& client, const std::string& user, Instant now) const {
  const auto home = homes_.find({user, client});
  return home != homes_.end() && home->second > now;
}

std::optional<LoginGuard::Ban> LoginGuard::ban_of(const IpAddress& client, const std::string& user,
                                                  Instant now) const {
  const std::string address = name_of(client);
  const std::lock_guard guard(mutex_);
  std::optional<Ban> ban;
  const auto look = [&](const Table& table, const std::string& who, bool is_address) {
    const auto found = table.find(who);
    if (found == table.end() || found->second.banned_until <= now) return;
    if (ban && ban->until >= found->second.banned_until) return;
    ban = Ban{is_address, who, found->second.count, found->second.banned_until};
  };
  look(addresses_, address, true);
  if (!is_at_home(address, user, now)) look(accounts_, user, false);
  return ban;
}

Duration LoginGuard::failed(const IpAddress& client, const std::string& user, Instant now) {
  const std::string address = name_of(client);
  const std::lock_guard guard(mutex_);
  uint32_t count = note(addresses_, address, kLoginFailuresPerAddress, now).count;
  if (!user.empty() && !is_at_home(address, user, now)) {
    count = std::max(count, note(accounts_, user, kLoginFailuresPerAccount, now).count);
  }
  const uint32_t doubled = std::min(count - 1, kLoginDelayDoublingsMax);
  return std::min<Duration>(kLoginDelayFirst * (1u << doubled), kLoginDelayMax);
}

void LoginGuard::succeeded(const IpAddress& client, const std::string& user, Instant now) {
  const std::string address = name_of(client);
  const std::lock_guard guard(mutex_);
  addresses_.erase(address);
  if (homes_.size() >= kLoginHomesMax) {
    std::erase_if(homes_, [now](const auto& home) { return home.second <= now; });
    if (homes_.size() >= kLoginHomesMax) homes_.erase(homes_.begin());
  }
  homes_[{user, address}] = now + kLoginHomeTime;
}

std::vector<LoginGuard::Ban> LoginGuard::bans(Instant now) const {
  const std::lock_guard guard(mutex_);
  std::vector<Ban> out;
  for (const Table* table : {&addresses_, &accounts_}) {
    for (const auto& [who, failures] : *table) {
      if (failures.banned_until <= now) continue;
      out.push_back({table == &addresses_, who, failures.count, failures.banned_until});
    }
  }
  std::ranges::sort(out, {}, &Ban::until);
  return out;
}

size_t LoginGuard::clear(const std::string& who, Instant now) {
  const auto address = IpAddress::parse(who);
  const std::string name = address ? name_of(*address) : who;
  const std::lock_guard guard(mutex_);
  size_t ended = 0;
  for (Table* table : {&addresses_, &accounts_}) {
    std::erase_if(*table, [&](const auto& entry) {
      if (!who.empty() && entry.first != name) return false;
      if (entry.second.banned_until > now) ++ended;
      return true;
    });
  }
  return ended;
}

}  // namespace mailroot::receive
