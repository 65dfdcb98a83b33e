// A queued message as a file of a directory, instead of in the queue.
#pragma once

#include <string>

#include "client.h"

namespace mailroot::ctl {

struct MovedOut {
  bool ok = false;
  bool is_busy = false;        // in delivery: try again
  bool is_connection = false;  // mailrootd is gone
  std::string text = {};       // why not
};

// Holds the message, writes and syncs <directory>/<server>-<id>.eml, and only then deletes it from
// the queue: an end at any moment leaves it held in the queue, the file there or not, and doing it
// again ends it. The file has the form of a Queue file: Pickup of any virtual server takes it.
MovedOut move_to_directory(Client& client, const std::string& id, const std::string& server,
                           const std::string& directory);

}  // namespace mailroot::ctl
