// What DNS says, asked as the daemon asks it: the same resolver, servers and fixed answers. Blocks.
#pragma once

#include <expected>
#include <memory>
#include <string>
#include <vector>

#include "mailroot/base/address.h"
#include "mailroot/config/snapshot.h"

namespace mailroot::ctl {

class NameLookup {
 public:
  explicit NameLookup(const config::Service& service);
  ~NameLookup();

  // Errors are sentences. Each answers within kNameLookupSeconds.
  std::expected<std::vector<IpAddress>, std::string> addresses(const std::string& host);
  // Of the hosts that take mail for the domain, best first: MX, else its own addresses.
  std::expected<std::vector<IpAddress>, std::string> mail_hosts(const std::string& domain);
  // The PTR name; "" when there is none.
  std::expected<std::string, std::string> reverse(const IpAddress& address);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace mailroot::ctl
