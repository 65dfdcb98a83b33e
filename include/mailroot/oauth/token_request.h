// The request for a token, with the secrets of the files. Reads files: never on a shard.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mailroot/config/login.h"
#include "mailroot/http/client.h"
#include "mailroot/oauth/token_answer.h"
#include "mailroot/sasl/secret.h"

namespace mailroot::oauth {

struct RequestMoment {
  int64_t wall_seconds = 0;  // corrected by what is known of the endpoint's clock
  uint64_t random[2] = {};   // for the assertion's id
};

// `refresh_token`: in place of the file's, when it could not be stored there; empty: the file's.
std::expected<http::Request, Refusal> make_token_request(const config::OAuth& settings,
                                                         const std::string& username,
                                                         const sasl::Secret& refresh_token,
                                                         const RequestMoment& moment);

// application/x-www-form-urlencoded (RFC 6749 appendix B).
std::string encode_form(const std::vector<std::pair<std::string_view, std::string_view>>& fields);

// A POST of a form to a token endpoint.
http::Request form_request(const std::string& url, std::string form);

}  // namespace mailroot::oauth
