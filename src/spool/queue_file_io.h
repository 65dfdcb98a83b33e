// Queue files, read and changed: opening with every check, content windows, the state overwritten
// in place. Private to spool/.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "journal_format.h"
#include "mailroot/base/result.h"
#include "mailroot/message/queue_file.h"
#include "mailroot/reactor/reactor.h"

namespace mailroot::spool {

message::QueueFileHeader to_file_header(const MessageHead& head);
MessageHead to_message_head(const message::QueueFileHeader& header);

// Memory that O_DIRECT accepts.
class AlignedBuffer {
 public:
  explicit AlignedBuffer(size_t size_bytes);  // rounded up to blocks, zeroed
  ~AlignedBuffer();
  AlignedBuffer(const AlignedBuffer&) = delete;
  AlignedBuffer& operator=(const AlignedBuffer&) = delete;
  MutableBytes bytes() { return {data_, size_bytes_}; }

 private:
  std::byte* data_;
  size_t size_bytes_;
};

struct QueueFile {
  reactor::Descriptor file = reactor::kNoDescriptor;
  reactor::FileStatus status;
  MessageHead head;
  message::QueueFileLayout layout;
};

struct QueueFileProblem {
  Error error;           // not_found, corrupt, or the system's
  bool foreign = false;  // no file of ours: left alone
  std::string reason;    // for people
};

// Opens `name` for reading, and writing when asked; never follows a link, never waits for a pipe.
// Checks: a regular file, an envelope block, the id of the name, the length. The content's CRC is
// verify_content's part.
reactor::task<std::expected<QueueFile, QueueFileProblem>> open_queue_file(
    reactor::Reactor& reactor, reactor::Descriptor directory, std::string name, QueueId id,
    bool writable);

// Reads the content through; corrupt when its CRC is another.
reactor::task<result<void>> verify_content(reactor::Reactor& reactor, const QueueFile& file);

// Overwrites letters, times and last reply in place.
reactor::task<result<void>> overwrite_state(reactor::Reactor& reactor, const QueueFile& file,
                                            const MessageHead& head);

// Content from memory; `body` is shared with the spool's entry.
std::unique_ptr<Content> memory_content(std::shared_ptr<const SlabChain> body);
// Content from a file; closes it. The last window is checked against the CRC once more: a file
// that changes while it is sent ends in Errc::corrupt before its end is sent.
std::unique_ptr<Content> file_content(reactor::Reactor& reactor, const QueueFile& file);

}  // namespace mailroot::spool
