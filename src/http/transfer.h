// One request on the wire: a curl handle with its buffers and limits. Of the worker's thread.
#pragma once

#include <curl/curl.h>

#include <array>
#include <functional>
#include <optional>
#include <string>

#include "mailroot/http/client.h"

namespace mailroot::http {

class Transfer {
 public:
  Transfer(Request request, std::move_only_function<void(Outcome)> done,
           const ClientOptions& options);
  ~Transfer();
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;

  CURL* handle() const { return handle_; }
  void finish(CURLcode code);
  void fail(FailureKind kind, std::string text);

 private:
  static size_t take_body(char* data, size_t size, size_t count, void* self);
  static size_t take_header(char* data, size_t size, size_t count, void* self);
  void set_up(const ClientOptions& options);
  Failure failure_of(CURLcode code) const;

  Request request_;
  std::move_only_function<void(Outcome)> done_;
  CURL* handle_ = nullptr;
  curl_slist* headers_ = nullptr;
  std::string body_;
  size_t header_bytes_ = 0;
  std::optional<int64_t> date_;
  bool is_too_large_ = false;
  std::array<char, CURL_ERROR_SIZE> words_{};
};

}  // namespace mailroot::http
