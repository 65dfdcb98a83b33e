// The mail that lies in a home directory, by folder.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "mailroot/config/snapshot.h"

namespace mailroot::ctl {

// Files of Pickup, Queue, Drop and Badmail (`badmail`: its name there); what lies in tmp is no
// mail.
std::vector<std::pair<std::string, uint64_t>> count_mail(const std::string& home,
                                                         const std::string& badmail);

// For people, about a home directory that nobody uses any more.
void show_mail_left(const config::VirtualServer& server);

}  // namespace mailroot::ctl
