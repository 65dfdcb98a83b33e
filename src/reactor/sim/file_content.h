// The bytes of one simulated file, twice: as processes see them (current) and as the medium holds
// them (durable). Pages are shared while both are equal. One thread.
//
//   write --> current --sync--> durable --crash--> some mixture of the two, by sectors
//     \___ synchronous write ____/
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "limits.h"
#include "mailroot/base/bytes.h"
#include "random.h"

namespace mailroot::reactor::sim {

// How much of what was not synced a crash leaves behind.
enum class Fate : uint8_t { lost, mixed, kept };

class FileContent {
 public:
  uint64_t size_bytes() const { return size_; }
  uint64_t durable_size_bytes() const { return durable_size_; }
  size_t pages() const { return current_.size(); }
  // Pages that a write to this range would add.
  size_t pages_missing(uint64_t offset, uint64_t length) const;

  size_t read(uint64_t offset, MutableBytes into) const;
  size_t read_durable(uint64_t offset, MutableBytes into) const;

  // `sequence` orders changes against syncs.
  void write(uint64_t offset, ByteView bytes, uint64_t sequence);
  void truncate(uint64_t length, uint64_t sequence);
  void allocate(uint64_t offset, uint64_t length, uint64_t sequence);

  // Straight to the medium, as O_DSYNC does; a crash or an error in the middle leaves any of the
  // sectors written (write_torn). Both commit the size, too.
  void write_durable(uint64_t offset, ByteView bytes);
  void write_torn(uint64_t offset, ByteView bytes, Random& random);

  // Makes durable what was changed up to `sequence`.
  void sync(uint64_t sequence);
  // A failed sync as Linux has it: the pages count as clean, the medium does not have them, reads
  // may show either, and the next sync succeeds.
  void drop_unsynced(uint64_t sequence, Random& random);
  bool has_unsynced_size() const { return !sizes_.empty(); }
  // The kernel wrote a page back on its own.
  void write_back_some(Random& random);

  void crash(Fate fate, Random& random);
  void flip_bit(uint64_t offset, unsigned bit);

 private:
  using Page = std::array<std::byte, kPageBytes>;
  using PageMap = std::map<uint64_t, std::shared_ptr<Page>>;
  struct SizeChange {
    uint64_t sequence;
    uint64_t size;
  };

  static std::shared_ptr<Page> page_of(const PageMap& pages, uint64_t number);
  static Page& own_page(PageMap& pages, uint64_t number);
  static void put(PageMap& pages, uint64_t offset, ByteView bytes);
  static void cut(PageMap& pages, uint64_t size);
  static size_t get(const PageMap& pages, uint64_t size, uint64_t offset, MutableBytes into);
  void set_size(uint64_t size, uint64_t sequence);
  void mark_dirty(uint64_t number, uint64_t sequence);
  void settle_page(uint64_t number, Fate fate, Random& random);
  void write_back(uint64_t number);
  void evict(uint64_t number);

  uint64_t size_ = 0;
  uint64_t durable_size_ = 0;
  bool shrunk_ = false;     // since the last sync: freed blocks may read as zeros
  bool allocated_ = false;  // since the last sync
  PageMap current_;         // absent: zeros
  PageMap durable_;
  std::map<uint64_t, uint64_t> dirty_;  // page -> sequence of its first change since written back
  std::vector<SizeChange> sizes_;       // since the last sync
};

}  // namespace mailroot::reactor::sim
