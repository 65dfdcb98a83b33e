#include "users_file.h"

#include <fmt/format.h>

#include "mailroot/sasl/limits.h"
#include "source_text.h"

namespace mailroot::config {

void UsersFiles::read(VirtualServer& server, ProblemList& problems,
                      std::vector<std::string>& warnings) {
  Authentication& settings = server.access.authentication;
  if (settings.users_file.empty()) return;
  auto known = files_.find(settings.users_file);
  if (known == files_.end()) {
    const std::string& file = settings.users_file;
    known = files_.emplace(file, read_file(file, problems, warnings)).first;
  }
  settings.users = known->second.users;
  settings.users_trouble = known->second.trouble;
}

UsersFiles::Read UsersFiles::read_file(const std::string& file, ProblemList& problems,
                                       std::vector<std::string>& warnings) {
  Read out;
  const auto text = read_source(file, sasl::kUsersFileMax);
  if (!text) {
    out.trouble = fmt::format("users file {}: {}", file, text.error().text);
    return out;
  }
  if (is_open_to_others(file)) {
    warnings.push_back(file + ": every user of this machine may read the users file");
  }
  auto users = sasl::Users::parse(*text);
  if (users) {
    out.users = std::make_shared<const sasl::Users>(std::move(*users));
    return out;
  }
  for (sasl::UsersProblem& wrong : users.error()) {
    Problem problem;
    problem.place = {file, wrong.line, wrong.column};
    problem.text = std::move(wrong.text);
    problems.add(std::move(problem));
  }
  return out;
}

}  // namespace mailroot::config
