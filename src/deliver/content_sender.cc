#include "content_sender.h"

#include <utility>

namespace mailroot::deliver {
namespace {

iovec as_iovec(ByteView view) {
  return {const_cast<std::byte*>(view.data()), view.size()};  // only read by a send
}

}  // namespace

ContentSender::ContentSender(smtp::ContentForm form, const message::HeaderFacts& header)
    : form_(form) {
  if (form == smtp::ContentForm::data_downgraded) downgrade_.emplace(header);
}

void ContentSender::add_raw(std::string_view text) { views_.push_back(as_iovec(as_bytes(text))); }

bool ContentSender::stuff(ByteView piece) {
  stuffed_.clear();
  if (!stuffer_.add(piece, stuffed_)) return false;
  for (const ByteView view : stuffed_) views_.push_back(as_iovec(view));
  return true;
}

bool ContentSender::add(ByteView piece) {
  if (form_ == smtp::ContentForm::bdat) {
    views_.push_back(as_iovec(piece));
    return true;
  }
  if (!downgrade_) return stuff(piece);
  std::string text;
  downgrade_->add(piece, text);
  kept_.push_back(std::move(text));
  return stuff(as_bytes(kept_.back()));
}

bool ContentSender::finish() {
  if (form_ == smtp::ContentForm::bdat) return true;
  if (downgrade_) {
    std::string text;
    downgrade_->finish(text);
    kept_.push_back(std::move(text));
    if (!stuff(as_bytes(kept_.back()))) return false;
  }
  stuffed_.clear();
  if (!stuffer_.finish(stuffed_)) return false;
  for (const ByteView view : stuffed_) views_.push_back(as_iovec(view));
  return true;
}

void ContentSender::sent() {
  views_.clear();
  kept_.clear();
}

}  // namespace mailroot::deliver
