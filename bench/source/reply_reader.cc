#include "reply_reader.h"

#include <cstring>

namespace mailroot::bench {

bool ReplyReader::parse(std::string_view line, Reply& reply) {
  if (line.ends_with('\r')) {
    line.remove_suffix(1);
  }
  if (line.size() < 3) {
    return false;
  }
  int code = 0;
  for (size_t i = 0; i < 3; ++i) {
    if (line[i] < '0' || line[i] > '9') {
      return false;
    }
    code = code * 10 + (line[i] - '0');
  }
  if (line.size() > 3 && line[3] != ' ' && line[3] != '-') {
    return false;
  }
  reply.code = code;
  reply.last = line.size() == 3 || line[3] == ' ';
  reply.text = line.size() > 4 ? line.substr(4) : std::string_view();
  return code >= 200 && code < 600;
}

ReplyReader::State ReplyReader::next(std::string_view& input, Reply& reply) {
  size_t end = input.find('\n');
  if (end == std::string_view::npos) {
    partial_ += input;
    input = {};
    return partial_.size() > kLineMax ? State::garbage : State::more;
  }
  std::string_view line = input.substr(0, end);
  input.remove_prefix(end + 1);
  if (!partial_.empty()) {
    joined_ = partial_;
    joined_ += line;
    partial_.clear();
    line = joined_;
  }
  return parse(line, reply) ? State::line : State::garbage;
}

}  // namespace mailroot::bench
