#include "directory_pages.h"

#include "directory.h"
#include "mailroot/base/assert.h"

namespace mailroot::spool {

using Entries = std::vector<reactor::DirectoryPage::Entry>;

DirectoryPages::~DirectoryPages() {
  MAILROOT_ASSERT(own_ == reactor::kNoDescriptor, "a directory is closed after it was read");
}

reactor::task<result<Entries>> DirectoryPages::next() {
  if (own_ == reactor::kNoDescriptor) {
    // Opened anew: the position in the directory is this reader's own.
    auto opened = co_await reactor_.open_at(directory_, ".", kOpenDirectory, 0);
    if (!opened) co_return std::unexpected(opened.error());
    own_ = *opened;
  }
  for (;;) {
    auto page = co_await reactor_.list_page(own_);
    if (page && !page->at_end && page->entries.empty()) continue;  // all of them vanished
    if (!page || page->at_end) {
      co_await close();
    }
    if (!page) co_return std::unexpected(page.error());
    co_return std::move(page->entries);
  }
}

reactor::task<void> DirectoryPages::close() {
  if (own_ == reactor::kNoDescriptor) co_return;
  co_await reactor_.close_now(own_);
  own_ = reactor::kNoDescriptor;
}

}  // namespace mailroot::spool
