// The little of HTTP that a scrape needs.
#pragma once

#include <string>
#include <string_view>

namespace mailroot::control {

// True when the head of the request is complete.
inline bool is_complete_head(std::string_view bytes) {
  return bytes.contains("\r\n\r\n") || bytes.contains("\n\n");
}

// The status line's code and reason for this request: "200 OK" when it asks for the metrics.
std::string_view status_of(std::string_view head);
// HEAD wants no body.
inline bool wants_body(std::string_view head) { return !head.starts_with("HEAD "); }
std::string response_head(std::string_view status, size_t body_bytes);

}  // namespace mailroot::control
