#include "line_filter.h"

#include "mailroot/smtp/limits.h"
#include "text_scan.h"

namespace mailroot::smtp {

namespace {

void put(ByteView view, Pieces& pieces) {
  if (!view.empty()) pieces.push_back(view);
}

}  // namespace

// One step adds at most three pieces.
bool batch_is_full(const Pieces& pieces) { return pieces.size() + 3 > kContentPiecesMax; }

void LineFilter::bare_cr(Pieces& pieces) {
  saw_bare_ = true;
  place_ = Place::in_line;
  put(as_bytes(" "), pieces);
}

void LineFilter::finish(Pieces& pieces) {
  if (place_ == Place::after_cr) bare_cr(pieces);
}

size_t LineFilter::pass(ByteView input, size_t from, bool stop_at_dots, Pieces& pieces) {
  size_t i = from;
  while (i < input.size() && !batch_is_full(pieces)) {
    if (place_ == Place::after_cr) {  // held since the last input
      if (input[i] != std::byte{'\n'}) {
        bare_cr(pieces);
        continue;
      }
      put(as_bytes("\r"), pieces);
    }
    const Before before{place_ == Place::after_cr, place_ == Place::line_start};
    const size_t end = i + find_event(input.subspan(i), before, stop_at_dots);
    if (end > i) {
      const std::byte last = input[end - 1];
      const bool hold = last == std::byte{'\r'};
      put(input.subspan(i, end - i - (hold ? 1 : 0)), pieces);
      place_ = hold                      ? Place::after_cr
               : last == std::byte{'\n'} ? Place::line_start
                                         : Place::in_line;
    }
    i = end;
    if (i == input.size()) break;
    if (place_ == Place::after_cr) {
      bare_cr(pieces);
    } else if (input[i] == std::byte{'\n'}) {
      saw_bare_ = true;
      place_ = Place::in_line;
      put(as_bytes("\r\n"), pieces);
      ++i;
    } else {
      break;  // a "." at line start
    }
  }
  return i;
}

}  // namespace mailroot::smtp
