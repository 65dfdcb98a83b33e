// The test's own hands on the simulated disk.
#pragma once

#include "mailroot/reactor/sim.h"

namespace mailroot::reactor::sim {

struct WorldState;

class DiskAccessOfWorld final : public DiskAccess {
 public:
  explicit DiskAccessOfWorld(WorldState& world) : world_(world) {}
  void make_directories(std::string_view path) override;
  void write_file(std::string_view path, std::string_view content) override;
  void make_symbolic_link(std::string_view path, std::string_view target) override;
  bool link(std::string_view from, std::string_view to) override;
  bool rename(std::string_view from, std::string_view to) override;
  bool remove(std::string_view path) override;
  std::optional<std::string> read_file(std::string_view path) const override;
  std::vector<std::string> list(std::string_view path) const override;
  std::optional<std::string> read_durable(std::string_view path) const override;
  bool flip_bit(std::string_view path, uint64_t offset_bytes, unsigned bit) override;
  void set_free_bytes(uint64_t bytes) override;
  uint64_t free_bytes() const override;
  void fail_next(Opcode opcode, int error, uint32_t count) override;

 private:
  void secure(std::string_view path);

  WorldState& world_;
};

}  // namespace mailroot::reactor::sim
