#include "mailroot/receive/session_list.h"

namespace mailroot::receive {

uint64_t SessionList::add(OpenSession& session) {
  sessions_.emplace(++newest_, &session);
  return newest_;
}

std::vector<SessionView> SessionList::page(uint64_t after, size_t max) const {
  std::vector<SessionView> views;
  for (auto at = sessions_.upper_bound(after); at != sessions_.end() && views.size() < max; ++at) {
    views.push_back(at->second->view());
    views.back().number = at->first;
  }
  return views;
}

bool SessionList::end(uint64_t number) {
  const auto found = sessions_.find(number);
  if (found == sessions_.end()) return false;
  found->second->end_by_operator();
  return true;
}

}  // namespace mailroot::receive
