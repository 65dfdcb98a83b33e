#include "mailroot/submit/request.h"

#include <charconv>

#include "mailroot/submit/limits.h"

namespace mailroot::submit {

namespace {

constexpr std::string_view kGreeting = "mailroot-submit 1";

void put(std::string& out, std::string_view word, std::string_view value) {
  out += word;
  out += ' ';
  for (const char c : value) out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  out += '\n';
}

bool read_size(std::string_view text, uint64_t& size) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), size);
  return error == std::errc() && end == text.data() + text.size() && size <= kContentMax;
}

// False for a line that nobody of ours writes.
bool take_line(std::string_view line, Request& request) {
  const size_t blank = std::min(line.find(' '), line.size());
  const std::string_view word = line.substr(0, blank);
  const std::string_view value = line.substr(std::min(blank + 1, line.size()));
  if (word == "sender") {
    request.sender = value;
  } else if (word == "name") {
    request.name = value;
  } else if (word == "notify") {
    request.notify = value;
  } else if (word == "ret") {
    request.ret = value;
  } else if (word == "envid") {
    request.envelope_id = value;
  } else if (word == "header-recipients") {
    request.header_recipients = true;
  } else if (word == "recipient") {
    request.recipients.emplace_back(value);
    return request.recipients.size() <= kRecipientsMax;
  } else {
    return word == "size" && read_size(value, request.size_bytes);
  }
  return true;
}

}  // namespace

std::string encode_head(const Request& request) {
  std::string out(kGreeting);
  out += '\n';
  if (request.sender) put(out, "sender", *request.sender);
  if (!request.name.empty()) put(out, "name", request.name);
  if (!request.notify.empty()) put(out, "notify", request.notify);
  if (!request.ret.empty()) put(out, "ret", request.ret);
  if (!request.envelope_id.empty()) put(out, "envid", request.envelope_id);
  if (request.header_recipients) put(out, "header-recipients", "");
  for (const std::string& recipient : request.recipients) put(out, "recipient", recipient);
  put(out, "size", std::to_string(request.size_bytes));
  return out + '\n';
}

std::expected<Request, std::string> parse_head(std::string_view head) {
  Request request;
  bool greeted = false;
  bool sized = false;
  while (!head.empty()) {
    const size_t end = head.find('\n');
    if (end == std::string_view::npos) return std::unexpected("the request does not end");
    const std::string_view line = head.substr(0, end);
    head.remove_prefix(end + 1);
    for (const char c : line)
      if (static_cast<unsigned char>(c) < 0x20) return std::unexpected("a control character");
    if (line.empty()) {
      if (!greeted || !sized) return std::unexpected("the request is not whole");
      return request;
    }
    if (!greeted) {
      if (line != kGreeting) return std::unexpected("this is no request of sendmail(1)");
      greeted = true;
      continue;
    }
    if (sized || !take_line(line, request))
      return std::unexpected("a line of the request is unknown or beyond a limit");
    sized = line.starts_with("size ");
  }
  return std::unexpected("the request does not end");
}

}  // namespace mailroot::submit
