// Pickup files (facts of the IIS format): an optional envelope in X-Sender and X-Receiver fields,
// in any case and order, among the fields of an RFC 5322 message; else the message's own addresses.
// A file moved here from Queue or Badmail is recognised by its block. Pure; nothing is copied.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mailroot/base/bytes.h"
#include "mailroot/message/limits.h"
#include "mailroot/message/queue_file.h"
#include "mailroot/smtp/envelope.h"

namespace mailroot::message {

struct ByteRange {
  uint64_t offset = 0;
  uint64_t size = 0;
  friend bool operator==(const ByteRange&, const ByteRange&) = default;
};

struct PickupFile {
  // smtputf8 is set if an address needs it; the body type is the caller's to find (ContentScan).
  smtp::Envelope envelope;
  // The content of the message is these ranges of the file in this order: envelope and Bcc fields
  // are left out. It still goes through PickupContent.
  std::vector<ByteRange> content;
  // The file came from Queue or Badmail. The envelope then has its resendable recipients only, and
  // the content is byte for byte: no PickupContent.
  std::optional<QueueFileHeader> queue_header;
};

enum class PickupError : uint8_t {
  incomplete,     // the header section does not end in `prefix`: read more of the file
  malformed,      // not an RFC 5322 header section
  no_sender,      // neither X-Sender nor From nor Sender
  no_recipients,  // none at all
  all_settled,    // a queue file whose recipients are all delivered or bounced
  bad_address,
  damaged,  // a queue file whose block cannot be read
  limit,    // kPickupHeaderMax, kPickupRecipientsMax
};

struct PickupFailure {
  PickupError error = PickupError::malformed;
  std::string detail;  // a sentence for Badmail's reason file, printable
};

// `prefix`: the first bytes of the file, up to kPickupHeaderMax (a queue file's block may need
// more: then `incomplete` is returned up to kQueueHeaderMax); file_size tells where the content
// ends. default_domain stamps bare addresses.
std::expected<PickupFile, PickupFailure> parse_pickup(ByteView prefix, uint64_t file_size,
                                                      std::string_view default_domain);

// Addresses of one field body (RFC 5322 3.4 with obsolete forms): display names, comments and
// groups are left out; `<>` only if null_path. False if something is no address.
bool parse_address_list(std::string_view body, std::string_view default_domain, bool null_path,
                        std::vector<smtp::Mailbox>& mailboxes);

// Turns what a program wrote into content that can be sent: LF and CR become CRLF, the first dot of
// a line is taken away if the writer stuffed it, an open last line is ended. Views only, as in
// smtp::DotStuffer; keeps its state over piece borders.
class PickupContent {
 public:
  explicit PickupContent(bool stuffed) : stuffed_(stuffed) {}
  void add(ByteView piece, std::vector<ByteView>& out);
  void finish(std::vector<ByteView>& out);
  uint64_t size_bytes() const { return size_bytes_; }

 private:
  void put(ByteView view, std::vector<ByteView>& out);

  bool stuffed_;
  bool line_start_ = true;
  bool after_cr_ = false;
  uint64_t size_bytes_ = 0;
};

// For `dot_stuffing: auto`: did the writer stuff dots (.NET Framework does, .NET 5 does not)? Yes
// if some lines begin with a dot and all of those with two. Given the whole content.
class DotStuffingProbe {
 public:
  void add(ByteView piece);
  bool looks_stuffed() const { return dotted_ > 0 && doubled_ == dotted_; }

 private:
  enum class At : uint8_t { line_start, after_dot, inside };
  At at_ = At::line_start;
  uint64_t dotted_ = 0;
  uint64_t doubled_ = 0;
};

}  // namespace mailroot::message
