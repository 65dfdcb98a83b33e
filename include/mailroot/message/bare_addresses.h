// Addresses without a domain in the header section of submitted mail (RFC 6409 8): where the
// default domain has to be put in. Pure; finds places, changes nothing.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace mailroot::message {

// Offsets into `text`, ascending, behind each local-part of From, To, Cc, Reply-To and Sender that
// has no domain: "@default.domain" belongs there. `text` begins with the header section; what
// follows it is not looked at. A field that is no address list (RFC 5322 3.4), and what might be a
// name rather than an address (two words, a quoted string, an encoded word), is left alone.
std::vector<size_t> bare_addresses(std::string_view text);

// `text` with "@domain" at these places.
std::string with_domain(std::string_view text, const std::vector<size_t>& places,
                        std::string_view domain);

}  // namespace mailroot::message
