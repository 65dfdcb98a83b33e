// The parts of a DSN (RFC 3464), built one after the other by build_dsn.
#pragma once

#include <string>
#include <string_view>

#include "mailroot/message/dsn.h"

namespace mailroot::message::dsn {

// Printable and on one line; non-ASCII stays only if utf8 and valid, else '?'.
std::string clean(std::string_view text, bool utf8, size_t size_max);
// Adds `text` in lines of at most about 76 columns, each begun with `indent`.
void put_wrapped(std::string& out, std::string_view text, std::string_view indent);

// The status of RFC 3463 this kind of DSN may carry for the recipient.
std::string status_of(const DsnRecipient& recipient, DsnKind kind);

// The text/plain part, without its header.
std::string plain_part(const DsnRequest& request, bool utf8);
// The (global-)delivery-status part, without its header.
std::string status_part(const DsnRequest& request, bool utf8);

}  // namespace mailroot::message::dsn
