// One event as one line. Pure.
#pragma once

#include <string>

#include "mailroot/base/log.h"
#include "mailroot/base/time.h"
#include "mailroot/config/snapshot.h"

namespace mailroot::control {

// text: `2026-11-24T20:00:00.123Z info accepted server=default id=... from="<a b@c>"`; with
// `for_journal` the time is left out and "<6>" (the priority journald reads) stands in front.
// Whatever a peer sent is escaped: it can neither end the line nor look like another field.
std::string format_text(const log::Event& event, WallTime time, bool for_journal);
// json: {"time":"...","level":"info","event":"accepted",...}
std::string format_json(const log::Event& event, WallTime time);

}  // namespace mailroot::control
