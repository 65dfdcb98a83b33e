#include "recorder.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "text.h"

namespace mailroot::bench {
namespace {

bool write_all(int file, std::string_view bytes) {
  while (!bytes.empty()) {
    ssize_t size = write(file, bytes.data(), bytes.size());
    if (size < 0) {
      return false;
    }
    bytes.remove_prefix(static_cast<size_t>(size));
  }
  return true;
}

std::string json_list(const std::vector<std::string>& texts) {
  std::string out = "[";
  for (const std::string& text : texts) {
    out += (out.size() > 1 ? "," : "") + json_string(text);
  }
  return out + "]";
}

/// The value of "name=" in a line of "name=value name=value".
std::string_view word_after(std::string_view line, std::string_view name) {
  size_t at = line.find(name);
  if (at == std::string_view::npos) {
    return {};
  }
  line.remove_prefix(at + name.size());
  return line.substr(0, line.find_first_of(" \r"));
}

}  // namespace

void Recorder::begin(const Envelope& envelope) {
  drop();
  size_ = 0;
  crc_ = body_crc_ = 0;
  in_body_ = false;
  header_.clear();
  sequence_ = "-";
  verdict_ = "-";
  violations_ = 0;
  last_ = 0;
  line_length_ = 0;
  binary_ = envelope.mail_parameters.find("BODY=BINARYMIME") != std::string::npos;
  eight_bit_ = binary_ || envelope.mail_parameters.find("BODY=8BITMIME") != std::string::npos ||
               envelope.mail_parameters.find("SMTPUTF8") != std::string::npos;
  if (options_.capture.empty()) {
    return;
  }
  number_ = names_.next.fetch_add(1);
  std::string path = fmt::format("{}/.{}-{:08}.tmp", options_.capture, names_.start, number_);
  file_ = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  write_failed_ = file_ < 0;
}

void Recorder::append(std::string_view bytes) {
  size_ += bytes.size();
  if (bytes.empty() || !options_.reads_headers()) {
    return;
  }
  if (in_body_) {
    body_crc_ = crc32c(body_crc_, bytes);
  } else {
    read_header(bytes);
  }
  if (options_.log.empty() && options_.capture.empty()) {
    return;
  }
  crc_ = crc32c(crc_, bytes);
  check(bytes);
  if (file_ >= 0 && !write_all(file_, bytes)) {
    write_failed_ = true;
  }
}

void Recorder::read_header(std::string_view bytes) {
  size_t known = header_.size();
  header_ += bytes;
  size_t end = header_.find("\r\n\r\n", known > 3 ? known - 3 : 0);
  if (end != std::string::npos) {
    in_body_ = true;
    body_crc_ = crc32c(0, std::string_view(header_).substr(end + 4));
    header_.resize(end + 2);
  } else if (header_.size() > kHeaderMax) {
    in_body_ = true;
  }
}

void Recorder::check(std::string_view bytes) {
  for (char c : bytes) {
    if (last_ == '\r' && c != '\n') {
      violations_ += binary_ ? 0 : 1;
    }
    if (c == '\n') {
      violations_ += (last_ != '\r' && !binary_) || (line_length_ > 999 && !binary_) ? 1 : 0;
      line_length_ = 0;
    } else {
      ++line_length_;
    }
    if ((c & 0x80) != 0 && !eight_bit_) {
      ++violations_;
      eight_bit_ = true;  // once a message is enough
    }
    last_ = c;
  }
}

std::string_view Recorder::header_field(std::string_view name) const {
  std::string_view rest = header_;
  while (!rest.empty()) {
    size_t end = rest.find("\r\n");
    std::string_view line = rest.substr(0, end);
    if (line.size() > name.size() && line[name.size()] == ':' &&
        same_word(line.substr(0, name.size()), name)) {
      line.remove_prefix(name.size() + 1);
      size_t start = line.find_first_not_of(" \t");
      return start == std::string_view::npos ? std::string_view() : line.substr(start);
    }
    rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 2);
  }
  return {};
}

void Recorder::read_bench_line(Statistics& statistics) {
  std::string_view line = header_field("X-Bench");
  if (line.empty()) {
    return;
  }
  if (auto sequence = parse_number(word_after(line, "seq="))) {
    sequence_ = fmt::format("{}", *sequence);  // as --accept-log of the source writes it
  }
  bool whole = fmt::format("{:08x}", body_crc_) == word_after(line, "crc=");
  verdict_ = whole ? "whole" : "damaged";
  statistics.damaged += whole ? 0 : 1;
  auto sent_ns = parse_number(word_after(line, "sent="));
  uint64_t now = now_ns();
  if (sent_ns && *sent_ns < now) {
    statistics.latency.add(now - *sent_ns);
  }
}

bool Recorder::finish(const Envelope& envelope, Statistics& statistics, std::string& log_line) {
  if (options_.reads_headers()) {
    read_bench_line(statistics);
    statistics.violations += violations_;
  }
  if (!options_.capture.empty() && !write_capture(envelope)) {
    fmt::print(stderr, "mailroot-sink: --capture: {}\n", std::strerror(errno));
    drop();
    return false;
  }
  if (!options_.log.empty()) {
    std::string_view id = header_field("Message-ID");
    fmt::format_to(std::back_inserter(log_line), "{} {} {} {:08x} {} {} {}\n",
                   id.empty() ? std::string_view("-") : id.substr(0, id.find(' ')), sequence_,
                   size_, crc_, verdict_, violations_, fmt::join(envelope.forward_paths, ","));
  }
  return true;
}

bool Recorder::write_capture(const Envelope& envelope) {
  if (write_failed_) {
    return false;
  }
  close(file_);
  file_ = -1;
  std::string base = fmt::format("{}/{}-{:08}", options_.capture, names_.start, number_);
  std::string part = fmt::format("{}/.{}-{:08}.tmp", options_.capture, names_.start, number_);
  if (rename(part.c_str(), (base + ".eml").c_str()) < 0) {
    return false;
  }
  std::string json = fmt::format(
      R"({{"client":{},"hello":{},"reverse_path":{},"mail_parameters":{},"forward_paths":{},)"
      R"("rcpt_parameters":{},"size":{},"crc32c":"{:08x}","violations":{},"verdict":{},)"
      R"("content":{}}})"
      "\n",
      json_string(envelope.client), json_string(envelope.hello), json_string(envelope.reverse_path),
      json_string(envelope.mail_parameters), json_list(envelope.forward_paths),
      json_list(envelope.rcpt_parameters), size_, crc_, violations_, json_string(verdict_),
      json_string(base + ".eml"));
  int file = open(part.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (file < 0) {
    return false;
  }
  bool written = write_all(file, json);
  close(file);
  return written && rename(part.c_str(), (base + ".json").c_str()) == 0;
}

void Recorder::drop() {
  if (file_ >= 0) {
    close(file_);
    file_ = -1;
    std::string part = fmt::format("{}/.{}-{:08}.tmp", options_.capture, names_.start, number_);
    unlink(part.c_str());
  }
}

}  // namespace mailroot::bench
