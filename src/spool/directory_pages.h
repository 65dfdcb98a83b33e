// A large directory read page by page, with pauses, so that nothing else waits for it. Private to
// spool/.
#pragma once

#include <vector>

#include "mailroot/base/result.h"
#include "mailroot/reactor/reactor.h"

namespace mailroot::spool {

class DirectoryPages {
 public:
  DirectoryPages(reactor::Reactor& reactor, reactor::Descriptor directory)
      : reactor_(reactor), directory_(directory) {}
  ~DirectoryPages();  // asserts that it has been read to its end, or closed
  DirectoryPages(const DirectoryPages&) = delete;
  DirectoryPages& operator=(const DirectoryPages&) = delete;

  // About a thousand entries; empty at the end. An error is an end, too.
  reactor::task<result<std::vector<reactor::DirectoryPage::Entry>>> next();
  reactor::task<void> close();

 private:
  reactor::Reactor& reactor_;
  reactor::Descriptor directory_;
  reactor::Descriptor own_ = reactor::kNoDescriptor;
};

}  // namespace mailroot::spool
