#include "file_content.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace mailroot::reactor::sim {

namespace {

uint64_t page_number(uint64_t offset) { return offset / kPageBytes; }

// Calls `visit(page number, offset in page, offset in range, length)` for each page of a range.
template <class Visit>
void for_each_page(uint64_t offset, size_t length, Visit visit) {
  for (size_t done = 0; done < length;) {
    const uint64_t position = offset + done;
    const size_t within = position % kPageBytes;
    const size_t part = std::min(length - done, kPageBytes - within);
    visit(page_number(position), within, done, part);
    done += part;
  }
}

}  // namespace

std::shared_ptr<FileContent::Page> FileContent::page_of(const PageMap& pages, uint64_t number) {
  const auto found = pages.find(number);
  return found == pages.end() ? nullptr : found->second;
}

// The page for writing: a copy of its own when it is shared.
FileContent::Page& FileContent::own_page(PageMap& pages, uint64_t number) {
  std::shared_ptr<Page>& page = pages[number];
  if (page == nullptr) {
    page = std::make_shared<Page>();
  } else if (page.use_count() > 1) {
    page = std::make_shared<Page>(*page);
  }
  return *page;
}

void FileContent::put(PageMap& pages, uint64_t offset, ByteView bytes) {
  for_each_page(offset, bytes.size(),
                [&](uint64_t number, size_t within, size_t done, size_t part) {
                  std::memcpy(own_page(pages, number).data() + within, bytes.data() + done, part);
                });
}

size_t FileContent::get(const PageMap& pages, uint64_t size, uint64_t offset, MutableBytes into) {
  if (offset >= size) return 0;
  const size_t length = std::min<uint64_t>(into.size(), size - offset);
  for_each_page(offset, length, [&](uint64_t number, size_t within, size_t done, size_t part) {
    const std::shared_ptr<Page> page = page_of(pages, number);
    if (page == nullptr) {
      std::memset(into.data() + done, 0, part);
    } else {
      std::memcpy(into.data() + done, page->data() + within, part);
    }
  });
  return length;
}

// Nothing of `pages` beyond `size`, and zeros behind it in its last page.
void FileContent::cut(PageMap& pages, uint64_t size) {
  const size_t within = size % kPageBytes;
  const uint64_t first_gone = page_number(size) + (within == 0 ? 0 : 1);
  pages.erase(pages.lower_bound(first_gone), pages.end());
  if (within == 0 || !pages.contains(page_number(size))) return;
  Page& last = own_page(pages, page_number(size));
  std::fill(last.begin() + static_cast<ptrdiff_t>(within), last.end(), std::byte{0});
}

size_t FileContent::pages_missing(uint64_t offset, uint64_t length) const {
  if (length == 0) return 0;
  size_t missing = 0;
  for (uint64_t number = page_number(offset); number <= page_number(offset + length - 1);
       ++number) {
    if (!current_.contains(number)) ++missing;
  }
  return missing;
}

size_t FileContent::read(uint64_t offset, MutableBytes into) const {
  return get(current_, size_, offset, into);
}

size_t FileContent::read_durable(uint64_t offset, MutableBytes into) const {
  return get(durable_, durable_size_, offset, into);
}

void FileContent::set_size(uint64_t size, uint64_t sequence) {
  if (size == size_) return;
  size_ = size;
  sizes_.push_back({sequence, size});
}

void FileContent::mark_dirty(uint64_t number, uint64_t sequence) {
  dirty_.emplace(number, sequence);
}

void FileContent::write(uint64_t offset, ByteView bytes, uint64_t sequence) {
  put(current_, offset, bytes);
  for_each_page(offset, bytes.size(),
                [&](uint64_t number, size_t, size_t, size_t) { mark_dirty(number, sequence); });
  set_size(std::max(size_, offset + bytes.size()), sequence);
}

void FileContent::truncate(uint64_t length, uint64_t sequence) {
  if (length < size_) {
    shrunk_ = true;
    const auto first = current_.lower_bound(page_number(length));
    for (auto page = first; page != current_.end(); ++page) mark_dirty(page->first, sequence);
    cut(current_, length);
  }
  set_size(length, sequence);
}

// Shares one page of zeros: a large reservation costs no memory.
void FileContent::allocate(uint64_t offset, uint64_t length, uint64_t sequence) {
  static const auto zeros = std::make_shared<Page>();
  if (length == 0) return;
  for (uint64_t number = page_number(offset); number <= page_number(offset + length - 1);
       ++number) {
    current_.emplace(number, zeros);
  }
  allocated_ = true;
  set_size(std::max(size_, offset + length), sequence);
}

void FileContent::write_durable(uint64_t offset, ByteView bytes) {
  put(current_, offset, bytes);
  put(durable_, offset, bytes);
  size_ = std::max(size_, offset + bytes.size());
  durable_size_ = size_;
  sizes_.clear();
}

void FileContent::write_torn(uint64_t offset, ByteView bytes, Random& random) {
  uint64_t reached = 0;
  for (size_t done = 0; done < bytes.size();) {
    const size_t part = std::min(
        bytes.size() - done, kSectorBytes - static_cast<size_t>((offset + done) % kSectorBytes));
    if (random.chance(0.5)) {
      put(current_, offset + done, bytes.subspan(done, part));
      put(durable_, offset + done, bytes.subspan(done, part));
      reached = offset + done + part;
    }
    done += part;
  }
  if (reached <= size_) return;
  set_size(reached, 0);
  if (random.chance(0.5)) durable_size_ = size_;
}

void FileContent::write_back(uint64_t number) {
  const std::shared_ptr<Page> page = page_of(current_, number);
  if (page == nullptr) {
    durable_.erase(number);
  } else {
    durable_[number] = page;
  }
}

// The page cache forgets a page and reads it anew.
void FileContent::evict(uint64_t number) {
  const std::shared_ptr<Page> page = page_of(durable_, number);
  if (page == nullptr) {
    current_.erase(number);
  } else {
    current_[number] = page;
  }
}

void FileContent::sync(uint64_t sequence) {
  for (auto page = dirty_.begin(); page != dirty_.end();) {
    if (page->second > sequence) {
      ++page;
      continue;
    }
    write_back(page->first);
    page = dirty_.erase(page);
  }
  const auto later = std::ranges::find_if(
      sizes_, [sequence](const SizeChange& change) { return change.sequence > sequence; });
  if (later != sizes_.begin()) durable_size_ = std::prev(later)->size;
  sizes_.erase(sizes_.begin(), later);
  if (!sizes_.empty()) return;
  shrunk_ = false;
  if (!std::exchange(allocated_, false)) return;
  for (const auto& [number, page] : current_) durable_.emplace(number, page);
  cut(durable_, durable_size_);
}

void FileContent::drop_unsynced(uint64_t sequence, Random& random) {
  for (auto page = dirty_.begin(); page != dirty_.end();) {
    if (page->second > sequence) {
      ++page;
      continue;
    }
    if (random.chance(0.3)) {
      write_back(page->first);  // written before the device failed
    } else if (random.chance(0.5)) {
      evict(page->first);
    }
    page = dirty_.erase(page);
  }
}

void FileContent::write_back_some(Random& random) {
  for (const auto& [number, sequence] : dirty_) {
    if (random.chance(0.5)) write_back(number);
  }
}

void FileContent::settle_page(uint64_t number, Fate fate, Random& random) {
  const std::shared_ptr<Page> before = page_of(durable_, number);
  const std::shared_ptr<Page> after = page_of(current_, number);
  if (fate == Fate::lost || (fate == Fate::mixed && random.chance(0.33))) return;
  if (fate == Fate::kept || random.chance(0.5)) return write_back(number);
  Page& torn = own_page(durable_, number);
  for (size_t at = 0; at < kPageBytes; at += kSectorBytes) {
    if (shrunk_ && random.chance(0.2)) {
      std::memset(torn.data() + at, 0, kSectorBytes);
    } else if (random.chance(0.5)) {
      if (after == nullptr) {
        std::memset(torn.data() + at, 0, kSectorBytes);
      } else {
        std::memcpy(torn.data() + at, after->data() + at, kSectorBytes);
      }
    }
  }
}

void FileContent::crash(Fate fate, Random& random) {
  for (const auto& [number, sequence] : dirty_) settle_page(number, fate, random);
  if (!sizes_.empty() && fate == Fate::kept) durable_size_ = size_;
  if (!sizes_.empty() && fate == Fate::mixed) {
    const uint64_t choice = random.below(sizes_.size() + 1);
    if (choice > 0) durable_size_ = sizes_[choice - 1].size;
  }
  cut(durable_, durable_size_);
  current_ = durable_;
  size_ = durable_size_;
  shrunk_ = allocated_ = false;
  dirty_.clear();
  sizes_.clear();
}

void FileContent::flip_bit(uint64_t offset, unsigned bit) {
  for (PageMap* pages : {&current_, &durable_}) {
    if (!pages->contains(page_number(offset))) continue;
    own_page(*pages, page_number(offset))[offset % kPageBytes] ^= std::byte(1U << bit);
  }
}

}  // namespace mailroot::reactor::sim
