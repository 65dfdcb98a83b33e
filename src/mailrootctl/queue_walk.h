// A walk over the queue, page by page, that meets every message a filter is for.
#pragma once

#include <cstdint>
#include <expected>

#include "client.h"
#include "pages.h"
#include "queue_filter.h"

namespace mailroot::ctl {

// The number of messages that were looked at, matching or not. What leaves the queue during the
// walk may be met or not; what stays is met once.
std::expected<uint64_t, WalkTrouble> walk_queue(Client& client, const QueueFilter& filter,
                                                const Visit& visit);

}  // namespace mailroot::ctl
