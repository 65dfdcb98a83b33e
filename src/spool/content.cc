#include <algorithm>
#include <utility>

#include "limits.h"
#include "mailroot/base/crc32c.h"
#include "queue_file_io.h"

namespace mailroot::spool {

namespace {

using reactor::task;

class MemoryContent final : public Content {
 public:
  explicit MemoryContent(std::shared_ptr<const SlabChain> body) : body_(std::move(body)) {}
  uint64_t size_bytes() const override { return body_->size_bytes(); }
  task<result<std::vector<ByteView>>> next() override {
    std::vector<ByteView> window;
    if (!std::exchange(given_, true)) {
      for (const SlabChain::Piece& piece : body_->pieces()) window.push_back(piece.view());
    }
    co_return window;
  }
  void rewind() override { given_ = false; }

 private:
  std::shared_ptr<const SlabChain> body_;
  bool given_ = false;
};

class FileContent final : public Content {
 public:
  FileContent(reactor::Reactor& reactor, const QueueFile& file)
      : reactor_(reactor),
        file_(file.file),
        content_at_(file.layout.block_size),
        size_bytes_(file.head.size_bytes),
        wanted_crc_(file.head.crc32c),
        buffer_(std::min<uint64_t>(kReadWindowBytes, std::max<uint64_t>(size_bytes_, 1))) {}
  ~FileContent() override { reactor_.close(file_); }
  uint64_t size_bytes() const override { return size_bytes_; }

  task<result<std::vector<ByteView>>> next() override {
    std::vector<ByteView> window;
    if (at_ == size_bytes_) co_return window;
    const size_t wanted = std::min<uint64_t>(buffer_.bytes().size(), size_bytes_ - at_);
    const iovec piece{buffer_.bytes().data(), wanted};
    const auto got = co_await reactor_.read_at(file_, {&piece, 1}, content_at_ + at_);
    if (!got) co_return std::unexpected(got.error());
    if (*got != wanted) co_return fail(Errc::corrupt);
    at_ += wanted;
    crc_ = crc32c(buffer_.bytes().first(wanted), crc_);
    if (at_ == size_bytes_ && crc_ != wanted_crc_) co_return fail(Errc::corrupt);
    window.push_back(buffer_.bytes().first(wanted));
    co_return window;
  }
  void rewind() override {
    at_ = 0;
    crc_ = 0;
  }

 private:
  reactor::Reactor& reactor_;
  reactor::Descriptor file_;
  uint64_t content_at_;
  uint64_t size_bytes_;
  uint32_t wanted_crc_;
  AlignedBuffer buffer_;
  uint64_t at_ = 0;
  uint32_t crc_ = 0;
};

}  // namespace

std::unique_ptr<Content> memory_content(std::shared_ptr<const SlabChain> body) {
  return std::make_unique<MemoryContent>(std::move(body));
}

std::unique_ptr<Content> file_content(reactor::Reactor& reactor, const QueueFile& file) {
  return std::make_unique<FileContent>(reactor, file);
}

}  // namespace mailroot::spool
