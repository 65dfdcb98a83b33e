// What the session asks and who knows the answer: policy, spool, queue.
#include "client_host.h"
#include "connection.h"
#include "limits.h"
#include "mailroot/message/bare_addresses.h"
#include "mailroot/message/trace.h"

namespace mailroot::receive {

using reactor::task;
using smtp::Question;

namespace {

constexpr const char* kNoMemory = "452 4.3.1 Insufficient memory for this message, try again later";
constexpr const char* kNotStored = "451 4.3.0 The message could not be stored, try again later";
constexpr const char* kLoop = "554 5.4.6 Too many hops, this message is looping";

smtp::Answer rejection(std::string reply) {
  smtp::Answer answer;
  answer.accept = false;
  answer.reply = std::move(reply);
  return answer;
}

}  // namespace

void Connection::answer(const smtp::Answer& answer) {
  actions_.question = Question::none;
  session_.answer(answer, actions_);
}

task<void> Connection::ask() {
  switch (actions_.question) {
    case Question::may_mail: {
      // Policy is read anew at each MAIL, so a right that was revoked ends with the transaction.
      settings_ = service_.settings();
      // A burst is slowed down before it is refused: placing frees memory within moments.
      if (service_.slabs().is_high()) {
        co_await pause_while_memory_is_high(kMemoryPatienceAtMail);
      }
      auto refusal = mail_refusal();
      if (refusal) service_.counters().messages_refused.fetch_add(1, std::memory_order_relaxed);
      answer(refusal ? rejection(std::move(*refusal)) : smtp::Answer{});
      break;
    }
    case Question::may_relay: {
      auto refusal = service_.relay_refusal(session_.pending_recipient().address, peer_.ip,
                                            is_authenticated());
      auto& counters = service_.counters();
      (refusal ? counters.recipients_refused : counters.recipients)
          .fetch_add(1, std::memory_order_relaxed);
      answer(refusal ? rejection(std::move(*refusal)) : smtp::Answer{});
      break;
    }
    case Question::begin_content:
      co_await lookup_.join();  // ends at its deadline, long before the client would lose patience
      begin_content();
      break;
    case Question::commit:
      co_await commit();
      break;
    case Question::send_kept: {
      const std::string& wanted = session_.requested_queue();
      auto refusal = service_.send_kept(wanted);
      service_.log().write(log::Event(log::Level::info, "etrn")
                               .with("server", settings_->id)
                               .with("peer", peer_.to_string())
                               .with("domain", wanted)
                               .with("result", refusal ? "refused" : "started"));
      answer(refusal ? rejection(std::move(*refusal)) : smtp::Answer{});
      break;
    }
    case Question::authenticate:
      co_await authenticate();
      break;
    case Question::start_tls:
      co_await start_tls();
      break;
    case Question::may_connect:
    case Question::none:
      answer({});
      break;
  }
}

std::optional<std::string> Connection::mail_refusal() {
  if (scope_.is_cancelled()) return "421 4.3.2 Service shutting down";
  if (auto refusal = service_.access_refusal(peer_.ip)) return refusal;
  const bool needs_certificate =
      settings_->access.tls.client_certificate == config::ClientCertificate::required;
  if (needs_certificate && !has_shown_certificate()) {
    return "530 5.7.0 A certificate of the client is required, in TLS";
  }
  if (auto refusal = user_refusal()) return refusal;
  if (auto refusal = service_.spool().refusal()) return refusal;
  if (service_.slabs().is_high()) return kNoMemory;
  return std::nullopt;
}

task<void> Connection::look_up_client() {
  const reactor::Wait wait{reactor_.now() + kReverseLookupTimeout, &lookup_scope_};
  client_host_ = co_await confirmed_host(service_.resolver(), peer_.ip, wait);
}

void Connection::begin_content() {
  draft_ = service_.spool().begin_draft();
  header_scan_.emplace();
  content_began_ = reactor_.now();
  content_began_bytes_ = bytes_in_;
  const smtp::Envelope& envelope = session_.envelope();
  const std::string id = to_string(draft_->id());
  message::ReceivedFacts facts;
  facts.client_name = session_.client_name();
  facts.client_ip = peer_.ip;
  if (client_host_) facts.client_host = *client_host_;
  facts.by_host = settings_->fqdn;
  facts.protocol = session_.protocol();
  if (tls_ != nullptr) {
    facts.tls_cipher = tls_->engine().cipher();
    facts.tls_version = tls_version_;
  }
  facts.queue_id = id;
  if (envelope.recipients.size() == 1) facts.only_recipient = &envelope.recipients[0].address;
  facts.received_at = reactor_.wall_now();
  if (!draft_->append(as_bytes(message::received_field(facts)))) {
    draft_.reset();
    answer(rejection(kNoMemory));
    return;
  }
  const std::string& stamp = settings_->stamp_headers;
  held_header_.reset();
  if (stamp == "always" || (stamp == "auto" && is_submitter())) {
    held_header_.emplace();
  }
  answer({});
}

// The content of who submits mail gets the fields it lacks on top, and the default domain where an
// address has none (decisions 10): its header section is kept until it is whole. Everybody else's
// goes through. False: the draft failed.
bool Connection::append(ByteView piece) {
  const bool header_goes_on = header_scan_->add(piece);
  if (!held_header_) return draft_->append(piece);
  held_header_->append(as_text(piece));
  if (header_goes_on && held_header_->size() <= kHeldHeaderMaxBytes) return true;
  return release_header(!header_goes_on);
}

bool Connection::release_header(bool is_whole) {
  const std::string held = std::move(*held_header_);
  held_header_.reset();
  if (!is_whole || header_scan_->finish().too_large) return draft_->append(as_bytes(held));
  const std::string head =
      message::missing_fields(header_scan_->finish(), reactor_.wall_now(), to_string(draft_->id()),
                              settings_->fqdn) +
      message::with_domain(held, message::bare_addresses(held), settings_->default_domain);
  return draft_->append(as_bytes(head));
}

// Appends decoded content to the draft. When that fails the rest is swallowed by the session, so
// that the conversation stays in step, and the reason is the reply to end of data.
task<void> Connection::store_content() {
  for (const ByteView piece : actions_.content) {
    if (draft_ == nullptr) break;
    if (!append(piece)) {
      refuse_content();
      break;
    }
    if (draft_->wants_flush()) {
      auto flushed = co_await draft_->flush();
      if (!flushed) refuse_content();
    }
  }
  actions_.content.clear();
}

void Connection::refuse_content() {
  const auto failure = draft_->failure();
  if (!failure || failure->code == Errc::no_memory) {
    content_refusal_ = kNoMemory;
  } else if (failure->code == Errc::no_space) {
    content_refusal_ = "452 4.3.1 Insufficient system storage, try again later";
  } else {
    content_refusal_ = kNotStored;
  }
  draft_.reset();
  held_header_.reset();
  session_.refuse_content(content_refusal_);
}

task<void> Connection::commit() {
  auto& counters = service_.counters();
  if (held_header_ && !release_header(true)) {  // the content ended in its header section
    content_refusal_ = kNoMemory;
    draft_.reset();
  }
  if (draft_ == nullptr) {
    // The last of the content and the end of data came in one piece, and the draft could not take
    // it: the session had asked before it could be told.
    header_scan_.reset();
    counters.messages_refused.fetch_add(1, std::memory_order_relaxed);
    answer(rejection(content_refusal_));
    co_return;
  }
  const uint32_t hops = header_scan_->received();
  header_scan_.reset();
  if (hops > settings_->delivery.hop_limit) {
    draft_.reset();
    counters.messages_refused.fetch_add(1, std::memory_order_relaxed);
    answer(rejection(kLoop));
    co_return;
  }
  smtp::Envelope envelope = session_.take_envelope();
  const smtp::Envelope stored = envelope;
  const QueueId id = draft_->id();
  const uint64_t size_bytes = draft_->size_bytes();
  spool::MessageTimes times;
  times.arrived = reactor_.wall_now();
  times.next_attempt = times.arrived;
  const Instant began = reactor_.now();
  const auto result =
      co_await service_.spool().commit(std::move(draft_), std::move(envelope), times);
  draft_.reset();
  if (result == spool::CommitResult::durable) {
    smtp::Answer durable;
    durable.queue_id = to_string(id);
    answer(durable);
    counters.messages.fetch_add(1, std::memory_order_relaxed);
    counters.bytes.fetch_add(size_bytes, std::memory_order_relaxed);
    counters.acceptance.add(reactor_.now() - began);
    log_accepted(id, stored, size_bytes, reactor_.now() - began);
    service_.accepted(id, stored, times, size_bytes);
    co_return;
  }
  counters.messages_refused.fetch_add(1, std::memory_order_relaxed);
  if (result == spool::CommitResult::refused) {
    answer(rejection(kNotStored));
    co_return;
  }
  // It may or may not be on disk, and no reply is the only honest one (decisions 18).
  broken_ = true;
  end_reason_ = "the journal failed before it was known whether the message is stored";
}

void Connection::log_accepted(const QueueId& id, const smtp::Envelope& envelope,
                              uint64_t size_bytes, Duration commit_time) {
  if (!service_.log().enabled(log::Level::info)) return;
  const auto micros = std::chrono::duration_cast<std::chrono::microseconds>(commit_time);
  log::Event event(log::Level::info, "accepted");
  event.with("server", settings_->id)
      .with("queue_id", to_string(id))
      .with("peer", peer_.to_string())
      .with("helo", session_.client_name());
  if (!session_.user().empty()) event.with("user", session_.user());
  event.with("from", smtp::to_path(envelope.reverse_path))
      .with("to", smtp::to_path(envelope.recipients.front().address))
      .with("recipients", static_cast<int64_t>(envelope.recipients.size()))
      .with("size", static_cast<int64_t>(size_bytes))
      .with("commit_us", micros.count());
  service_.log().write(std::move(event));
}

}  // namespace mailroot::receive
