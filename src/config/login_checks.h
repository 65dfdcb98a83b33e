// A login after its keys were read: what follows from them, what is wrong, and the password.
#pragma once

#include <string>
#include <vector>

#include "context.h"
#include "mailroot/config/login.h"

namespace mailroot::config {

// Fills in what a tenant or a grant implies. Before check_login().
void complete_login(Login& login);

// `section`: where the keys stand ("delivery.security"). Complains about what can never work.
void check_login(const Login& login, const std::string& section, Context& context);

// "domains[2].security"
std::string section_of_domain(size_t index);

// Reads password_file into the login, or the problem; adds sentences about files that cannot be
// read or that others can read.
void load_login(Login& login, const std::string& section, const Context& context,
                std::vector<std::string>& warnings);

}  // namespace mailroot::config
