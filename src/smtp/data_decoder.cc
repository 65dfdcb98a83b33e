#include "data_decoder.h"

namespace mailroot::smtp {

size_t DataDecoder::decode(ByteView input, Pieces& pieces) {
  size_t i = 0;
  while (i < input.size() && state_ != State::ended && !batch_is_full(pieces)) {
    switch (state_) {
      case State::text:
        i = filter_.pass(input, i, true, pieces);
        if (i < input.size() && !batch_is_full(pieces)) {
          state_ = State::dot;
          ++i;
        }
        break;
      case State::dot:
        if (input[i] == std::byte{'\r'}) {
          state_ = State::dot_cr;
          ++i;
        } else {
          state_ = State::text;
          filter_.set_place(LineFilter::Place::in_line);
        }
        break;
      case State::dot_cr:
        if (input[i] == std::byte{'\n'}) {
          state_ = State::ended;
          ++i;
        } else {
          state_ = State::text;
          filter_.bare_cr(pieces);
        }
        break;
      case State::ended:
        break;
    }
  }
  return i;
}

}  // namespace mailroot::smtp
