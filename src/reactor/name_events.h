// inotify calls, for the backends on a real kernel. None of them blocks.
#pragma once

#include <vector>

#include "mailroot/reactor/backend.h"

namespace mailroot::reactor {

result<Descriptor> open_inotify();
result<int> add_inotify_directory(Descriptor inotify, Descriptor directory);
void remove_inotify_directory(Descriptor inotify, int id);
result<void> read_inotify(Descriptor inotify, std::vector<WatchedName>& events);

}  // namespace mailroot::reactor
