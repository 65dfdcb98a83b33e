// What a sync secures and what a crash leaves.
#include <algorithm>
#include <set>
#include <utility>

#include "disk.h"

namespace mailroot::reactor::sim {

namespace {

Fate draw_fate(Random& random) {
  const uint64_t drawn = random.below(4);
  return drawn == 0 ? Fate::lost : drawn == 1 ? Fate::kept : Fate::mixed;
}

}  // namespace

// Changes the durable tree. A change whose ground is missing (an earlier one was lost) does not
// happen.
void Disk::apply(const NameChange& change) {
  const auto directory = inodes_.find(change.directory);
  if (directory == inodes_.end()) return;
  auto& names = directory->second.durable_names;
  const auto entry = names.find(change.name);
  const bool stands = entry != names.end() && entry->second == change.inode;
  switch (change.kind) {
    case NameChange::Kind::link:
      names[change.name] = change.inode;
      return;
    case NameChange::Kind::unlink:
      if (stands) names.erase(entry);
      return;
    case NameChange::Kind::rename: {
      const auto directory2 = inodes_.find(change.directory2);
      if (!stands || directory2 == inodes_.end()) return;
      names.erase(entry);
      directory2->second.durable_names[change.name2] = change.inode;
      return;
    }
  }
}

bool Disk::has_unsynced_change(InodeId id) {
  return at(id).content.has_unsynced_size() ||
         std::ranges::any_of(changes_, [id](const NameChange& change) {
           return change.inode == id || change.directory == id || change.directory2 == id;
         });
}

void Disk::sync(InodeId id, uint64_t sequence) {
  Inode& inode = at(id);
  const bool touched = has_unsynced_change(id);
  if (inode.kind == InodeKind::file) inode.content.sync(sequence);
  if (options_.ordered_names) {
    if (touched) sync_ordered(sequence);
  } else if (inode.kind == InodeKind::directory) {
    sync_directory_unordered(id, sequence);
  }
}

void Disk::sync_all(uint64_t sequence) {
  for (auto& [id, inode] : inodes_) {
    if (inode.kind == InodeKind::file) inode.content.sync(sequence);
  }
  sync_ordered(sequence);
}

void Disk::drop_all_unsynced(uint64_t sequence, Random& random) {
  for (auto& [id, inode] : inodes_) {
    if (inode.kind == InodeKind::file) inode.content.drop_unsynced(sequence, random);
  }
}

void Disk::sync_ordered(uint64_t sequence) {
  const auto later = std::ranges::find_if(
      changes_, [sequence](const NameChange& change) { return change.sequence > sequence; });
  for (auto change = changes_.begin(); change != later; ++change) apply(*change);
  changes_.erase(changes_.begin(), later);
}

// From the last change back: what is in the directory, and every earlier change of a name or an
// inode that these touch.
void Disk::sync_directory_unordered(InodeId directory, uint64_t sequence) {
  std::set<InodeId> inodes;
  std::set<std::pair<InodeId, std::string>> names;
  std::vector<bool> needed(changes_.size(), false);
  for (size_t i = changes_.size(); i-- > 0;) {
    const NameChange& change = changes_[i];
    if (change.sequence > sequence) continue;
    const bool renames = change.kind == NameChange::Kind::rename;
    needed[i] = change.directory == directory || inodes.contains(change.inode) ||
                names.contains({change.directory, change.name});
    if (renames) {
      needed[i] = needed[i] || change.directory2 == directory ||
                  names.contains({change.directory2, change.name2});
    }
    if (!needed[i]) continue;
    inodes.insert(change.inode);
    names.insert({change.directory, change.name});
    if (renames) names.insert({change.directory2, change.name2});
  }
  std::vector<NameChange> left;
  for (size_t i = 0; i < changes_.size(); ++i) {
    if (needed[i]) {
      apply(changes_[i]);
    } else {
      left.push_back(std::move(changes_[i]));
    }
  }
  changes_ = std::move(left);
}

void Disk::write_back_some(Random& random) {
  for (auto& [id, inode] : inodes_) {
    if (random.chance(0.3)) inode.content.write_back_some(random);
  }
}

void Disk::crash_names(Random& random) {
  const Fate fate = draw_fate(random);
  size_t kept = 0;
  if (fate == Fate::kept) kept = changes_.size();
  if (fate == Fate::mixed) kept = random.below(changes_.size() + 1);
  for (size_t i = 0; i < changes_.size(); ++i) {
    const bool survives =
        options_.ordered_names || fate != Fate::mixed ? i < kept : random.chance(0.5);
    if (survives) apply(changes_[i]);
  }
  changes_.clear();
}

void Disk::crash(Random& random) {
  crash_names(random);
  forget_handles();
  for (auto& [id, inode] : inodes_) {
    inode.content.crash(draw_fate(random), random);
    inode.names = inode.durable_names;
    inode.links = 0;
  }
  at(kRootInode).links = 1;
  for (auto& [id, inode] : inodes_) {
    for (const auto& [name, child] : inode.names) ++at(child).links;
  }
  collect_garbage();
}

void Disk::forget_handles() {
  for (auto& [id, inode] : inodes_) {
    inode.handles = 0;
    inode.lock_owner = -1;
  }
}

// Drops inodes that no handle, name, durable name or pending change can reach. Directories count
// only when they are reachable themselves: a lost one takes what is in it along.
void Disk::collect_garbage() {
  std::set<InodeId> alive = {kRootInode};
  std::vector<InodeId> unvisited = {kRootInode};
  const auto reach = [&](InodeId id) {
    if (id != kNoInode && alive.insert(id).second) unvisited.push_back(id);
  };
  for (const auto& [id, inode] : inodes_) {
    if (inode.handles > 0) reach(id);
  }
  for (const NameChange& change : changes_) {
    reach(change.inode);
    reach(change.directory);
    reach(change.directory2);
  }
  while (!unvisited.empty()) {
    const Inode& inode = at(unvisited.back());
    unvisited.pop_back();
    for (const auto& [name, child] : inode.names) reach(child);
    for (const auto& [name, child] : inode.durable_names) reach(child);
  }
  std::erase_if(inodes_, [&](const auto& entry) { return !alive.contains(entry.first); });
  used_pages_ = 0;
  for (const auto& [id, inode] : inodes_) used_pages_ += inode.content.pages();
  lost_names_ = 0;
}

InodeId Disk::find_durable(std::string_view path) const {
  InodeId here = kRootInode;
  for (size_t at = 0; at < path.size();) {
    const size_t end = std::min(path.find('/', at), path.size());
    const std::string_view part = path.substr(at, end - at);
    at = end + 1;
    if (part.empty()) continue;
    const auto& names = inodes_.at(here).durable_names;
    const auto found = names.find(part);
    if (found == names.end()) return kNoInode;
    here = found->second;
  }
  return here;
}

}  // namespace mailroot::reactor::sim
