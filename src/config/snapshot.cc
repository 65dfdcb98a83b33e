#include "mailroot/config/snapshot.h"

#include <fmt/format.h>

namespace mailroot::config {

std::string Place::to_string() const {
  if (line == 0) return file;
  return fmt::format("{}:{}:{}", file, line, column);
}

std::string Binding::to_string() const {
  if (!address) return fmt::format("all-unassigned:{}", port);
  return SocketAddress{*address, port}.to_string();
}

std::string SmartHost::to_string() const {
  std::string out = is_literal ? "[" + host + "]" : host;
  if (port) out += fmt::format(":{}", *port);
  return out;
}

}  // namespace mailroot::config
