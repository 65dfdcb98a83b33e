// The client's end of the control socket: blocking, one command after the other.
#pragma once

#include <expected>
#include <string>
#include <vector>

namespace mailroot::ctl {

struct Reply {
  bool ok = false;                 // last line began with 250
  bool may_succeed_later = false;  // ... with a 4
  std::vector<std::string> lines;  // what stood between: JSON, one document a line
  std::string last;                // text of the last line
};

class Client {
 public:
  Client() = default;
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  std::expected<void, std::string> connect(const std::string& path);
  std::expected<Reply, std::string> ask(const std::string& command);

 private:
  std::expected<std::string, std::string> read_line();

  int socket_ = -1;
  std::string pending_;
};

}  // namespace mailroot::ctl
