// Reading access.authentication.users. Private to config/.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "context.h"
#include "mailroot/config/snapshot.h"

namespace mailroot::config {

// Each file once in a load, however many virtual servers share it.
class UsersFiles {
 public:
  // Fills users or users_trouble. Bad lines are problems, once.
  void read(VirtualServer& server, ProblemList& problems, std::vector<std::string>& warnings);

 private:
  struct Read {
    std::shared_ptr<const sasl::Users> users;
    std::string trouble;
  };
  Read read_file(const std::string& file, ProblemList& problems,
                 std::vector<std::string>& warnings);

  std::map<std::string, Read> files_;
};

}  // namespace mailroot::config
