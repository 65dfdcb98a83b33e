#include "transfer.h"

#include <strings.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "mailroot/base/assert.h"

namespace mailroot::http {

namespace {

long milliseconds(Duration duration) {
  return static_cast<long>(std::chrono::duration_cast<std::chrono::milliseconds>(duration).count());
}

template <class T>
void set(CURL* handle, CURLoption option, T value) {
  const CURLcode code = curl_easy_setopt(handle, option, value);
  MAILROOT_ASSERT(code == CURLE_OK, "libcurl knows its options");
}

std::string media_type(const char* text) {
  std::string out = text == nullptr ? "" : text;
  out.resize(std::min(out.size(), out.find(';')));
  while (out.ends_with(' ')) out.pop_back();
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

}  // namespace

Transfer::Transfer(Request request, std::move_only_function<void(Outcome)> done,
                   const ClientOptions& options)
    : request_(std::move(request)), done_(std::move(done)), handle_(curl_easy_init()) {
  MAILROOT_ASSERT(handle_ != nullptr, "libcurl makes handles");
  set_up(options);
}

Transfer::~Transfer() {
  curl_easy_cleanup(handle_);
  curl_slist_free_all(headers_);
}

void Transfer::set_up(const ClientOptions& options) {
  set(handle_, CURLOPT_PRIVATE, static_cast<void*>(this));
  set(handle_, CURLOPT_URL, request_.url.c_str());
  set(handle_, CURLOPT_PROTOCOLS_STR, "https,http");
  set(handle_, CURLOPT_FOLLOWLOCATION, 0L);
  set(handle_, CURLOPT_NOSIGNAL, 1L);
  set(handle_, CURLOPT_NOPROGRESS, 1L);
  set(handle_, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  set(handle_, CURLOPT_USERAGENT, "Mailroot/" MAILROOT_VERSION);
  set(handle_, CURLOPT_CONNECTTIMEOUT_MS, milliseconds(kConnectTimeout));
  set(handle_, CURLOPT_TIMEOUT_MS, milliseconds(request_.timeout));
  set(handle_, CURLOPT_ERRORBUFFER, words_.data());
  // Said even when empty: else libcurl obeys the environment.
  set(handle_, CURLOPT_PROXY, options.proxy.c_str());
  set(handle_, CURLOPT_NOPROXY, "");
  if (!options.ca_file.empty()) set(handle_, CURLOPT_CAINFO, options.ca_file.c_str());
  set(handle_, CURLOPT_WRITEFUNCTION, &Transfer::take_body);
  set(handle_, CURLOPT_WRITEDATA, static_cast<void*>(this));
  set(handle_, CURLOPT_HEADERFUNCTION, &Transfer::take_header);
  set(handle_, CURLOPT_HEADERDATA, static_cast<void*>(this));
  for (const std::string& header : request_.headers) {
    headers_ = curl_slist_append(headers_, header.c_str());
  }
  if (request_.body) {
    // "Expect: 100-continue" would wait a second at servers that do not know it.
    headers_ = curl_slist_append(headers_, "Expect:");
    set(handle_, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request_.body->size()));
    set(handle_, CURLOPT_POSTFIELDS, request_.body->data());
  }
  set(handle_, CURLOPT_HTTPHEADER, headers_);
}

size_t Transfer::take_body(char* data, size_t size, size_t count, void* self) {
  auto& transfer = *static_cast<Transfer*>(self);
  const size_t bytes = size * count;
  if (transfer.body_.size() + bytes > transfer.request_.body_bytes_max) {
    transfer.is_too_large_ = true;
    return 0;
  }
  transfer.body_.append(data, bytes);
  return bytes;
}

size_t Transfer::take_header(char* data, size_t size, size_t count, void* self) {
  auto& transfer = *static_cast<Transfer*>(self);
  transfer.header_bytes_ += size * count;
  std::string line(data, std::min<size_t>(size * count, 80));
  if (::strncasecmp(line.c_str(), "date:", 5) == 0) {
    const time_t date = curl_getdate(line.c_str() + 5, nullptr);
    transfer.date_ = date > 0 ? std::optional<int64_t>(date) : std::nullopt;
  }
  if (transfer.header_bytes_ <= kHeaderBytesMax) return size * count;
  transfer.is_too_large_ = true;
  return 0;
}

Failure Transfer::failure_of(CURLcode code) const {
  const std::string words = words_[0] != '\0' ? words_.data() : curl_easy_strerror(code);
  if (is_too_large_) {
    return {FailureKind::too_large,
            "the answer is longer than " + std::to_string(request_.body_bytes_max) + " bytes"};
  }
  switch (code) {
    case CURLE_OPERATION_TIMEDOUT:
      return {FailureKind::timed_out, "no answer in time"};
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
      return {FailureKind::unreachable, words};
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM:
      return {FailureKind::untrusted, words};
    default:
      return {FailureKind::broken, words};
  }
}

void Transfer::finish(CURLcode code) {
  if (code != CURLE_OK) {
    auto done = std::move(done_);
    done(std::unexpected(failure_of(code)));
    return;
  }
  Answer answer;
  long status = 0;
  curl_easy_getinfo(handle_, CURLINFO_RESPONSE_CODE, &status);
  answer.status = static_cast<int>(status);
  char* type = nullptr;
  curl_easy_getinfo(handle_, CURLINFO_CONTENT_TYPE, &type);
  answer.content_type = media_type(type);
  curl_off_t wait_seconds = 0;
  curl_easy_getinfo(handle_, CURLINFO_RETRY_AFTER, &wait_seconds);
  if (wait_seconds > 0) {
    answer.retry_after =
        std::chrono::seconds(std::min<int64_t>(wait_seconds, kRetryAfterMaxSeconds));
  }
  answer.date = date_;
  answer.body = std::move(body_);
  auto done = std::move(done_);
  done(std::move(answer));
}

void Transfer::fail(FailureKind kind, std::string text) {
  auto done = std::move(done_);
  done(std::unexpected(Failure{kind, std::move(text)}));
}

}  // namespace mailroot::http
