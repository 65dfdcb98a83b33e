// Every limit of the SMTP machines that is not configuration, by name. Sizes are octets.
#pragma once

#include <cstddef>
#include <cstdint>

namespace mailroot::smtp {

inline constexpr size_t kLocalPartMax = 64;  // RFC 5321 4.5.3.1.1, of the value without its quotes
inline constexpr size_t kDomainMax = 255;    // RFC 5321 4.5.3.1.2
inline constexpr size_t kLabelMax = 63;      // RFC 1035 2.3.4
inline constexpr size_t kPathMax = 256;      // RFC 5321 4.5.3.1.3, with brackets and source route
inline constexpr size_t kCommandLineMax = 2048;  // with CRLF: 512 of 4.5.3.1.4 plus every extension
inline constexpr size_t kAuthLineMax = 12'288;   // with CRLF, of AUTH and responses: RFC 4954 4
inline constexpr size_t kReplyLineMax = 512;     // with CRLF, RFC 5321 4.5.3.1.5
inline constexpr size_t kParametersMax = 16;     // ESMTP parameters of one command
inline constexpr size_t kEnvelopeIdMax = 100;    // ENVID as encoded, RFC 3461 4.4
inline constexpr size_t kOriginalRecipientMax = 500;  // ORCPT as encoded, RFC 3461 4.2
inline constexpr size_t kContentPiecesMax = 64;       // pieces of content one feed() hands out

// Octets read only to stay in step with the client (an over-long command line, a body or chunk
// already refused) before the session is closed instead.
inline constexpr uint64_t kSwallowedMax = uint64_t{256} * 1024 * 1024;
// RCPT commands answered 452 in one transaction before the session is closed.
inline constexpr uint32_t kRecipientsOverflowMax = 10'000;

}  // namespace mailroot::smtp
