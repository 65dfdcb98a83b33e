// The content of DATA (RFC 5321 4.1.1.4, 4.5.2): removes transparency dots, finds the end.
#pragma once

#include "line_filter.h"

namespace mailroot::smtp {

// One per transaction. Only CRLF ends a line, only CRLF.CRLF ends the content (the first CRLF may
// be that of the DATA command): anything laxer is how one server's text becomes another's commands.
//
//  text --CRLF "."--> dot --CR--> dot_cr --LF--> ended
//    ^                 |            |
//    +------ any ------+--- any ----+   (the dot is dropped; the CR was bare)
class DataDecoder {
 public:
  // Decodes until the end of data, of the input or of the batch; returns the bytes consumed. The
  // pieces are views into `input` or static storage.
  size_t decode(ByteView input, Pieces& pieces);

  bool ended() const { return state_ == State::ended; }
  // The content had a bare CR or LF so far; the pieces show it normalised.
  bool saw_bare() const { return filter_.saw_bare(); }

 private:
  enum class State : uint8_t {
    text,    // the filter knows the place in the line
    dot,     // a "." at line start was read and is not handed on
    dot_cr,  // ... and then a CR
    ended,   // CRLF.CRLF was read; what follows are commands
  };

  State state_ = State::text;
  LineFilter filter_;
};

}  // namespace mailroot::smtp
