#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

namespace mailroot::bench {

/// Finds the end of data and takes the stuffed dots out (RFC 5321 4.5.2). Only CRLF . CRLF ends a
/// message. Most bytes are only seen by memchr: a dot is looked for, then what stands before it.
class DataDecoder {
 public:
  void begin() { state_ = State::line_start; }

  /// Returns how many bytes of `input` belong to the message and its end; `ended` says whether the
  /// end was among them. Decoded pieces go to `emit(std::string_view)`.
  template <typename Emit>
  size_t feed(std::string_view input, bool& ended, Emit&& emit) {
    size_t from = 0;
    size_t i = 0;
    ended = false;
    while (i < input.size()) {
      if (state_ == State::text && i >= 2) {
        i = skip_text(input, i);
        continue;
      }
      char c = input[i];
      if (state_ == State::line_start && c == '.') {
        emit(input.substr(from, i - from));
        from = i + 1;
        state_ = State::dot;
      } else if (state_ == State::dot_cr && c == '\n') {
        ended = true;
        return i + 1;
      } else if (state_ == State::dot_cr) {
        if (i == 0) {
          emit(std::string_view("\r"));
        }
        state_ = c == '\r' ? State::cr : State::text;
      } else {
        state_ = after(c);
      }
      ++i;
    }
    if (state_ != State::dot_cr) {
      emit(input.substr(from));
    }
    return input.size();
  }

 private:
  enum class State : uint8_t { line_start, text, cr, dot, dot_cr };

  State after(char c) const {
    if (c == '\r') {
      return state_ == State::dot ? State::dot_cr : State::cr;
    }
    return c == '\n' && state_ == State::cr ? State::line_start : State::text;
  }

  /// Goes to the next dot at the start of a line, or to the end. At least two bytes precede `i`.
  size_t skip_text(std::string_view input, size_t i) {
    while (i < input.size()) {
      const void* found = std::memchr(input.data() + i, '.', input.size() - i);
      if (found == nullptr) {
        break;
      }
      i = static_cast<size_t>(static_cast<const char*>(found) - input.data());
      if (input[i - 1] == '\n' && input[i - 2] == '\r') {
        state_ = State::line_start;
        return i;
      }
      ++i;
    }
    std::string_view tail = input.substr(input.size() - 2);
    state_ = tail == "\r\n" ? State::line_start : tail[1] == '\r' ? State::cr : State::text;
    return input.size();
  }

  State state_ = State::line_start;
};

}  // namespace mailroot::bench
