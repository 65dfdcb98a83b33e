// Free inodes in Queue/tmp. Making a file costs 20-900 us on ext4, which walks past every inode
// deleted lately; renaming one in, overwriting it and renaming it out costs 28-42. Of one shard.
// Private to spool/.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "limits.h"
#include "mailroot/base/result.h"
#include "mailroot/reactor/reactor.h"
#include "mailroot/spool/home.h"

namespace mailroot::spool {

// A file in Queue/tmp, open for writing. Its name is used once: it tells one use of an inode from
// the next after a crash.
struct PoolFile {
  std::string name;
  reactor::Descriptor file = reactor::kNoDescriptor;
  uint64_t inode = 0;
  uint64_t size_bytes = 0;  // as found: cut the rest off
  bool direct = false;      // O_DIRECT took
};

class InodePool {
 public:
  InodePool(reactor::Reactor& reactor, const Home& home, uint16_t shard, uint16_t shards,
            bool scrub)
      : reactor_(reactor), home_(home), shard_(shard), shards_(shards), scrub_(scrub) {}

  reactor::task<result<PoolFile>> take(bool direct);
  // An unfinished file comes back. Closes it.
  reactor::task<void> give_back(PoolFile file);
  // The file of a finished message leaves Queue/new or cur: recycled if it is the inode we made
  // and nobody else has a link to it, else only unlinked. `inode` 0: not known. ok also when the
  // file is not there. What it did needs a sync of both directories.
  reactor::task<result<void>> recycle(reactor::Descriptor directory, std::string name,
                                      uint64_t inode);
  // While space is short nothing is kept here; what was goes with the next release().
  void set_short(bool is_short) { is_short_ = is_short; }
  // Removes the free files of this shard.
  reactor::task<void> release();
  size_t free_count() const { return free_.size(); }

 private:
  struct Free {
    std::string name;
    uint64_t inode = 0;
    uint64_t size_bytes = 0;
  };
  reactor::task<void> adopt();
  reactor::task<result<PoolFile>> open(Free found, uint32_t flags, bool direct);
  reactor::task<void> shrink(std::string name, uint64_t inode, uint64_t size_bytes);
  std::string fresh_name();
  bool has_room() const { return !is_short_ && free_.size() < kPoolFilesMax; }

  reactor::Reactor& reactor_;
  const Home& home_;
  uint16_t shard_, shards_;
  bool scrub_;
  bool adopted_ = false;
  bool is_short_ = false;
  bool direct_works_ = true;
  uint64_t counter_ = 0;
  std::vector<Free> free_;
};

// "<epoch>-<shard>-<counter>.free": made by some shard in some epoch.
std::optional<uint32_t> epoch_of_pool_name(std::string_view name);

}  // namespace mailroot::spool
