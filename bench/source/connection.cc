#include "connection.h"

#include <fmt/format.h>

#include <utility>

#include "text.h"

namespace mailroot::bench {

void Conversation::begin(uint64_t now_ns) {
  reader_.reset();
  expected_.assign(1, Waiting::greeting);
  transactions_.clear();
  text_.clear();
  segments_.clear();
  first_ = first_sent_ = 0;
  queued_total_ = sent_total_ = 0;
  begun_ns_ = now_ns;
  started_ = 0;
  ready_ = quitting_ = must_reset_ = false;
  offers_size_ = offers_pipelining_ = offers_chunking_ = false;
  failure_.clear();
}

void Conversation::abandon() {
  shared_.statistics.unanswered += transactions_.size();
  transactions_.clear();
  expected_.clear();
}

Conversation::Outcome Conversation::broken(std::string reason) {
  failure_ = std::move(reason);
  return Outcome::broken;
}

size_t Conversation::output(Chunk* chunks, size_t limit) const {
  size_t count = 0;
  size_t skip = first_sent_;
  for (size_t i = first_; i < segments_.size() && count < limit; ++i) {
    const Segment& segment = segments_[i];
    const char* data = segment.fixed != nullptr ? segment.fixed : text_.data() + segment.offset;
    chunks[count++] = {data + skip, segment.size - skip};
    skip = 0;
  }
  return count;
}

void Conversation::sent(size_t size, uint64_t now_ns) {
  sent_total_ += size;
  while (size > 0 && size >= segments_[first_].size - first_sent_) {
    size -= segments_[first_].size - first_sent_;
    first_sent_ = 0;
    ++first_;
  }
  first_sent_ += size;
  if (first_ == segments_.size()) {
    segments_.clear();
    text_.clear();
    first_ = 0;
  }
  for (Transaction& transaction : transactions_) {
    if (transaction.sent_ns == 0 && transaction.end_offset != 0 &&
        transaction.end_offset <= sent_total_) {
      transaction.sent_ns = now_ns;
    }
  }
}

void Conversation::put_text_since(size_t offset) {
  size_t size = text_.size() - offset;
  queued_total_ += size;
  bool joins = !segments_.empty() && segments_.back().fixed == nullptr &&
               segments_.back().offset + segments_.back().size == offset;
  if (joins) {
    segments_.back().size += size;
  } else {
    segments_.push_back({nullptr, offset, size});
  }
}

void Conversation::put_fixed(std::string_view bytes) {
  queued_total_ += bytes.size();
  segments_.push_back({bytes.data(), 0, bytes.size()});
}

void Conversation::put(std::string_view text, Waiting reply) {
  size_t offset = text_.size();
  text_ += text;
  put_text_since(offset);
  expected_.push_back(reply);
}

void Conversation::put_mail(const Transaction& transaction) {
  size_t offset = text_.size();
  text_ += "MAIL FROM:<";
  shared_.factory.append_sender(transaction.sequence, text_);
  text_ += '>';
  if (offers_size_) {
    fmt::format_to(std::back_inserter(text_), " SIZE={}", shared_.options.size_bytes);
  }
  text_ += "\r\n";
  put_text_since(offset);
  expected_.push_back(Waiting::mail);
}

void Conversation::put_rcpt(Transaction& transaction) {
  size_t offset = text_.size();
  text_ += "RCPT TO:<";
  shared_.factory.append_recipient(transaction.sequence, transaction.recipients_sent++, text_);
  text_ += ">\r\n";
  put_text_since(offset);
  expected_.push_back(Waiting::rcpt);
}

void Conversation::put_content(Transaction& transaction, uint64_t now_ns) {
  std::string& head = shared_.scratch;
  head.clear();
  Body body = shared_.factory.compose(transaction.sequence, now_ns, head);
  size_t size = head.size() + body.main.size() + body.tail.size();
  size_t offset = text_.size();
  if (shared_.options.chunking) {
    fmt::format_to(std::back_inserter(text_), "BDAT {} LAST\r\n", size);
  }
  text_ += head;
  put_text_since(offset);
  put_fixed(body.main);
  offset = text_.size();
  text_ += body.tail;
  if (!shared_.options.chunking) {
    text_ += ".\r\n";
  }
  put_text_since(offset);
  expected_.push_back(Waiting::end);
  transaction.end_offset = queued_total_;
}

bool Conversation::may_start() const {
  const Options& options = shared_.options;
  if (!ready_ || quitting_ || options.idle || has_output()) {
    return false;
  }
  // Without chunking DATA ends a pipelined group; the one that may follow an end of data is
  // started where the 354 is handled.
  size_t limit = options.pipeline && options.chunking ? options.depth : 1;
  if (must_reset_) {
    return expected_.empty();
  }
  return transactions_.size() < limit && (options.pipeline || expected_.empty());
}

void Conversation::fill(uint64_t now_ns) {
  const Options& options = shared_.options;
  // Output is sent when a batch has been gathered; may_start() looks at what was left before it.
  bool more = may_start();
  while (more) {
    if (must_reset_) {
      must_reset_ = false;
      put("RSET\r\n", Waiting::reset);
      return;
    }
    uint64_t sequence = 0;
    bool spent = options.per_connection != 0 && started_ >= options.per_connection;
    if (spent || !shared_.take_sequence(sequence)) {
      if (transactions_.empty() && expected_.empty()) {
        quit();
      }
      return;
    }
    start_transaction(sequence, now_ns);
    size_t limit = options.pipeline && options.chunking ? options.depth : 1;
    more = transactions_.size() < limit;
  }
}

void Conversation::quit() {
  if (!quitting_) {
    quitting_ = true;
    put("QUIT\r\n", Waiting::quit);
  }
}

void Conversation::start_transaction(uint64_t sequence, uint64_t now_ns) {
  ++started_;
  Transaction& transaction = transactions_.emplace_back();
  transaction.sequence = sequence;
  transaction.started_ns = now_ns;
  put_mail(transaction);
  if (!shared_.options.pipeline) {
    return;
  }
  for (uint32_t i = 0; i < shared_.options.recipients; ++i) {
    put_rcpt(transaction);
  }
  if (shared_.options.chunking) {
    put_content(transaction, now_ns);
  } else {
    put("DATA\r\n", Waiting::data);
  }
}

Conversation::Outcome Conversation::receive(std::string_view bytes, uint64_t now_ns) {
  while (!bytes.empty()) {
    Reply reply;
    switch (reader_.next(bytes, reply)) {
      case ReplyReader::State::more:
        return Outcome::open;
      case ReplyReader::State::garbage:
        return broken("the server's answer is no SMTP reply");
      case ReplyReader::State::line:
        break;
    }
    Outcome outcome = handle(reply, now_ns);
    if (outcome != Outcome::open) {
      return outcome;
    }
  }
  return Outcome::open;
}

Conversation::Outcome Conversation::handle(const Reply& reply, uint64_t now_ns) {
  if (expected_.empty()) {
    return broken(
        fmt::format("{}{} {}", reply.code == 421 ? "" : "unasked reply ", reply.code, reply.text));
  }
  Waiting waiting = expected_.front();
  if (waiting == Waiting::hello) {
    return handle_hello(reply, now_ns);
  }
  if (!reply.last) {
    return Outcome::open;
  }
  expected_.pop_front();
  if (reply.code == 421) {
    return broken(fmt::format("421 {}", reply.text));
  }
  switch (waiting) {
    case Waiting::greeting:
      if (reply.code != 220) {
        return broken(fmt::format("greeting {} {}", reply.code, reply.text));
      }
      put(shared_.options.helo ? "HELO source.bench.example\r\n" : "EHLO source.bench.example\r\n",
          Waiting::hello);
      break;
    case Waiting::mail:
      handle_mail(reply, now_ns);
      break;
    case Waiting::rcpt:
      handle_rcpt(reply, now_ns);
      break;
    case Waiting::data:
      handle_data(reply, now_ns);
      break;
    case Waiting::end:
      handle_end(reply, now_ns);
      break;
    case Waiting::quit:
      return Outcome::finished;
    case Waiting::hello:
    case Waiting::reset:
      break;
  }
  return Outcome::open;
}

Conversation::Outcome Conversation::handle_hello(const Reply& reply, uint64_t now_ns) {
  if (reply.code != 250) {
    return broken(fmt::format("EHLO {} {}", reply.code, reply.text));
  }
  std::string_view keyword = reply.text.substr(0, reply.text.find(' '));
  offers_size_ = offers_size_ || same_word(keyword, "SIZE");
  offers_pipelining_ = offers_pipelining_ || same_word(keyword, "PIPELINING");
  offers_chunking_ = offers_chunking_ || same_word(keyword, "CHUNKING");
  if (!reply.last) {
    return Outcome::open;
  }
  expected_.pop_front();
  if (shared_.options.pipeline && !offers_pipelining_) {
    return broken("the server does not offer PIPELINING");
  }
  if (shared_.options.chunking && !offers_chunking_) {
    return broken("the server does not offer CHUNKING");
  }
  ready_ = true;
  ++shared_.statistics.opened;
  shared_.statistics.opening.add(now_ns - begun_ns_);
  return shared_.options.idle ? Outcome::idle : Outcome::open;
}

void Conversation::refuse(const Reply& reply, std::string_view verb) {
  shared_.statistics.sample(fmt::format("{}: {} {}", verb, reply.code, reply.text));
  transactions_.front().refused = true;
}

void Conversation::handle_mail(const Reply& reply, uint64_t) {
  Transaction& transaction = transactions_.front();
  if (reply.code / 100 != 2) {
    refuse(reply, "MAIL");
  }
  if (shared_.options.pipeline) {
    return;
  }
  if (transaction.refused) {
    ++shared_.statistics.refused;
    transactions_.pop_front();
    return;
  }
  put_rcpt(transaction);
}

void Conversation::handle_rcpt(const Reply& reply, uint64_t now_ns) {
  Transaction& transaction = transactions_.front();
  if (reply.code / 100 == 2) {
    ++transaction.recipients_taken;
  } else {
    ++shared_.statistics.recipients_refused;
    shared_.statistics.sample(fmt::format("RCPT: {} {}", reply.code, reply.text));
  }
  if (shared_.options.pipeline) {
    return;
  }
  if (transaction.recipients_sent < shared_.options.recipients) {
    put_rcpt(transaction);
  } else {
    proceed_after_recipients(now_ns);
  }
}

void Conversation::proceed_after_recipients(uint64_t now_ns) {
  Transaction& transaction = transactions_.front();
  if (transaction.recipients_taken == 0) {
    ++shared_.statistics.refused;
    transactions_.pop_front();
    must_reset_ = true;
  } else if (shared_.options.chunking) {
    put_content(transaction, now_ns);
  } else {
    put("DATA\r\n", Waiting::data);
  }
}

void Conversation::handle_data(const Reply& reply, uint64_t now_ns) {
  Transaction& transaction = transactions_.front();
  if (reply.code != 354) {
    refuse(reply, "DATA");
    ++shared_.statistics.refused;
    transactions_.pop_front();
    must_reset_ = true;
    return;
  }
  if (transaction.recipients_taken == 0) {
    // RFC 2920 3.1: a 354 without recipients is answered with a lone dot.
    transaction.refused = true;
    put(".\r\n", Waiting::end);
    return;
  }
  put_content(transaction, now_ns);
  uint64_t sequence = 0;
  bool spent = shared_.options.per_connection != 0 && started_ >= shared_.options.per_connection;
  if (shared_.options.depth > 1 && !spent && shared_.take_sequence(sequence)) {
    start_transaction(sequence, now_ns);
  }
}

void Conversation::handle_end(const Reply& reply, uint64_t now_ns) {
  Statistics& statistics = shared_.statistics;
  Transaction transaction = transactions_.front();
  if (reply.code / 100 != 2) {
    refuse(reply, "end of data");
    transaction.refused = true;
  }
  transactions_.pop_front();
  statistics.last_ns = now_ns;
  if (transaction.refused) {
    ++statistics.refused;
    must_reset_ = shared_.options.chunking;
    return;
  }
  ++statistics.accepted;
  statistics.bytes += shared_.options.size_bytes;
  // A reply seen before send() was accounted for: the two happened in the same instant.
  uint64_t sent_ns = transaction.sent_ns != 0 ? transaction.sent_ns : now_ns;
  statistics.accept.add(now_ns - sent_ns);
  statistics.transaction.add(now_ns - transaction.started_ns);
  if (!shared_.options.accept_log.empty()) {
    fmt::format_to(std::back_inserter(shared_.accept_lines), "{} {} {}\n", transaction.sequence,
                   reply.code, reply.text);
  }
}

}  // namespace mailroot::bench
