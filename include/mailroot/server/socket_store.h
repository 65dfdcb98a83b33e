// SocketStore: keeps listening sockets while no mailrootd runs, so that who connects during a
// restart waits in the kernel's queue instead of being refused. Control thread only.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "mailroot/reactor/backend.h"

namespace mailroot::server {

struct KeptSocket {
  std::string name;
  reactor::Descriptor socket = -1;  // listens
};

class SocketStore {
 public:
  virtual ~SocketStore() = default;
  // What the process before this one left. The caller owns the descriptors; asked once.
  virtual std::vector<KeptSocket> inherited() = 0;
  // Keeps duplicates of these under `name`; a socket that is kept already stays kept once.
  virtual void keep(const std::string& name, std::span<const reactor::Descriptor> sockets) = 0;
  // Lets go of everything kept under `name`.
  virtual void drop(const std::string& name) = 0;
};

}  // namespace mailroot::server
