#include "ticket.h"

#include "limits.h"

namespace mailroot::spool {

void GroupBuilder::begin(uint64_t blocks_max) {
  head_.reset();
  pieces_.clear();
  pieces_.push_back({});
  body_blocks_ = 0;
  blocks_max_ = std::min<uint64_t>(blocks_max, kGroupBytesMax / kBlockSize);
}

bool GroupBuilder::fits() const {
  return blocks() <= blocks_max_ && pieces_.size() <= kGroupPiecesMax;
}

void GroupBuilder::roll_back(const Mark& mark) {
  head_.roll_back(mark.head);
  pieces_.resize(mark.pieces);
  body_blocks_ = mark.body_blocks;
}

bool GroupBuilder::add_accept(const MessageHead& head, const SlabChain& body) {
  const Mark before = mark();
  const size_t tail_bytes = body.size_bytes() % kBlockSize;
  ByteView tail;
  for (const SlabChain::Piece& piece : body.pieces()) {
    const size_t whole_bytes = piece.used_bytes / kBlockSize * kBlockSize;
    if (whole_bytes > 0) pieces_.push_back({piece.data, whole_bytes});
    body_blocks_ += static_cast<uint32_t>(whole_bytes / kBlockSize);
    tail = ByteView(piece.data + whole_bytes, piece.used_bytes - whole_bytes);
  }
  MAILROOT_ASSERT(tail.size() == tail_bytes, "only the last piece is not full");
  if (head_.add_accept(head, before.body_blocks, tail) && fits()) return true;
  roll_back(before);
  return false;
}

const std::vector<iovec>& GroupBuilder::seal(const GroupHeader& header) {
  const ByteView head = head_.seal(header, body_blocks_);
  pieces_.front() = {const_cast<std::byte*>(head.data()), head.size()};
  return pieces_;
}

}  // namespace mailroot::spool
