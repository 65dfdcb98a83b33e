// Pure; any thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace mailroot {

// A name as an id: lower case letters and digits, words parted by one '-', letters with marks spelt
// in ASCII (o with two dots becomes "oe"). At most `max_bytes`; empty when nothing remains.
std::string slug(std::string_view name, size_t max_bytes);

}  // namespace mailroot
