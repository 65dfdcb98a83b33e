// A file that can never be sent goes to Badmail/new with its reason beside it. Durable.
#include <fcntl.h>
#include <fmt/format.h>
#include <stdio.h>

#include <algorithm>

#include "limits.h"
#include "pickup_reader.h"

namespace mailroot::receive {

using reactor::SyncKind;
using reactor::task;

namespace {

constexpr uint32_t kCreate = O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
constexpr uint32_t kMode = 0640;
constexpr std::string_view kSuffix = ".reason";

// "order.eml", then "order.eml.1": an older file is never overwritten. Room is left for kSuffix.
std::string numbered(const std::string& name, uint32_t number) {
  const std::string kept = name.substr(0, kPickupBadNameMax);
  return number == 0 ? kept : fmt::format("{}.{}", kept, number);
}

}  // namespace

// Synced in tmp, then renamed in; `exists` when there is one already.
task<result<void>> PickupReader::Impl::write_reason(std::string name, std::string text) {
  const auto& badmail = home.badmail;
  auto file = co_await reactor.open_at(badmail.temporary, name, kCreate, kMode);
  if (!file) co_return std::unexpected(file.error());
  const iovec piece{text.data(), text.size()};
  auto outcome = co_await reactor.write_at(*file, {&piece, 1}, 0);
  if (outcome) outcome = co_await reactor.sync(*file, SyncKind::data_and_metadata);
  co_await reactor.close_now(*file);
  if (outcome) {
    outcome =
        co_await reactor.rename_at(badmail.temporary, name, badmail.fresh, name, RENAME_NOREPLACE);
  }
  if (!outcome) {
    // If even this fails, the next reason of that name overwrites it.
    co_await reactor.unlink_at(badmail.temporary, name, 0);
  }
  co_return outcome;
}

task<result<void>> PickupReader::Impl::to_badmail(std::string entry, std::string name,
                                                  std::string reason) {
  const std::string text = fmt::format(
      "Mailroot could not send the file {} from Pickup: {}.\n"
      "Correct it and move it back to Pickup, or delete it.\n",
      log::escape(name), reason);
  const auto& badmail = home.badmail;
  for (uint32_t number = 0; number < kPickupBadNamesMax; ++number) {
    const std::string bad_name = numbered(name, number);
    const std::string reason_name = bad_name + std::string(kSuffix);
    auto outcome = co_await write_reason(reason_name, text);
    if (!outcome && outcome.error().code == Errc::exists) continue;
    if (!outcome) co_return outcome;
    outcome = co_await reactor.rename_at(home.pickup.current, entry, badmail.fresh, bad_name,
                                         RENAME_NOREPLACE);
    if (outcome) {
      outcome = co_await reactor.sync(badmail.fresh, SyncKind::data_and_metadata);
      co_return outcome;
    }
    co_await reactor.unlink_at(badmail.fresh, reason_name, 0);
    if (outcome.error().code != Errc::exists) co_return outcome;
  }
  co_return fail(Errc::limit);
}

}  // namespace mailroot::receive
