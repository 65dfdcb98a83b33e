// The exchanges behind start_client(), one file a family.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "mailroot/sasl/client.h"

namespace mailroot::sasl {

std::unique_ptr<ClientExchange> start_plain(const ClientLogin& login);
std::unique_ptr<ClientExchange> start_login(const ClientLogin& login);
std::unique_ptr<ClientExchange> start_cram_md5(const ClientLogin& login);
std::unique_ptr<ClientExchange> start_scram_sha_256(const ClientLogin& login);
std::unique_ptr<ClientExchange> start_xoauth2(const ClientLogin& login);
std::unique_ptr<ClientExchange> start_oauthbearer(const ClientLogin& login);

// "abc..." in printable ASCII for a log line: what a server said.
std::string printable(std::string_view text, size_t most);

}  // namespace mailroot::sasl
