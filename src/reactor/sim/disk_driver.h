// Runs the file operations of simulated processes on the Disk: with latency, with faults, and with
// what becomes of those that a crash interrupts.
#pragma once

#include <optional>
#include <vector>

#include "disk.h"
#include "process.h"
#include "random.h"
#include "sim_backend.h"

namespace mailroot::reactor::sim {

class DiskDriver {
 public:
  DiskDriver(WorldState& world, uint64_t seed, const DiskOptions& options);

  static bool handles(Opcode opcode);
  void submit(SimBackend& backend, OperationRef ref);
  // The process dies before this operation completed. It has happened, or partly, or not.
  void interrupt(Process& process, Operation& operation, bool power_loss);
  void close(Handle& handle);
  void crash() { disk_.crash(random_); }

  void fail_next(Opcode opcode, int error, uint32_t count);
  Disk& disk() { return disk_; }

 private:
  struct Injected {
    Opcode opcode;
    int error;
    uint32_t count;
  };

  Duration latency();
  std::optional<int32_t> fault_for(Opcode opcode);
  int32_t run(Process& process, Operation& operation, uint64_t sequence);
  int32_t run_on_path(Process& process, Operation& operation);
  int32_t run_on_handle(Handle& handle, Operation& operation, uint64_t sequence);
  int32_t fail(Process& process, Operation& operation, int32_t error, uint64_t sequence);
  int32_t open(Process& process, const Operation& operation);
  void list_page(Handle& handle, DirectoryPage& page);
  int32_t read(const Handle& handle, const Operation& operation);
  int32_t write(const Handle& handle, const Operation& operation);
  int32_t status(Process& process, const Operation& operation);
  int64_t base_of(Process& process, Descriptor directory, const char* path);

  WorldState& world_;
  Random random_;
  Disk disk_;
  std::vector<Injected> injected_;
  int next_lock_id_ = 0;
};

}  // namespace mailroot::reactor::sim
