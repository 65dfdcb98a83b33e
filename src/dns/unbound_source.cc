// Records from libunbound: validated in the process, cached by it, driven by the shard's reactor.
#include <unbound.h>

#include <list>

#include "event_base.h"
#include "limits.h"
#include "record_source.h"

namespace mailroot::dns {

namespace {

using reactor::task;
using reactor::Wait;

constexpr int kClassInternet = 1;
constexpr int kNoSuchName = 3;  // RFC 1035 4.1.1
constexpr int kSecureLevel = 2;
constexpr int kBogusLevel = 1;

struct ContextDeleter {
  void operator()(ub_ctx* context) const { ub_ctx_delete(context); }
};

// One question in flight. libunbound keeps its address until the callback, which may come inside
// ub_resolve_event; a waiter that gave up leaves it behind for the callback to remove.
struct Query {
  bool finished = false;
  bool abandoned = false;
  std::expected<Answer, Failure> answer{std::unexpect, Failure::server_failure};
  reactor::Event done;
  std::list<Query>* home = nullptr;
  std::list<Query>::iterator self;
};

std::expected<Answer, Failure> read_answer(int rcode, ByteView wire, int security) {
  if (security == kBogusLevel) return std::unexpected(Failure::bogus);
  if (rcode == kNoSuchName) return std::unexpected(Failure::no_such_domain);
  if (rcode != 0) return std::unexpected(Failure::server_failure);
  auto packet = parse_packet(wire);
  if (!packet) return std::unexpected(Failure::server_failure);
  if (packet->rcode == kNoSuchName) return std::unexpected(Failure::no_such_domain);
  if (packet->rcode != 0) return std::unexpected(Failure::server_failure);
  Answer answer;
  answer.security = security == kSecureLevel ? Security::secure : Security::insecure;
  answer.ttl_seconds = packet->negative_ttl_seconds.value_or(UINT32_MAX);
  for (const Record& record : packet->answers) {
    answer.ttl_seconds = std::min(answer.ttl_seconds, record.ttl_seconds);
  }
  answer.records = std::move(packet->answers);
  return answer;
}

void on_answer(void* data, int rcode, void* packet, int length, int security, char*, int) {
  auto* query = static_cast<Query*>(data);
  if (query->abandoned) {
    query->home->erase(query->self);
    return;
  }
  const size_t size = packet != nullptr && length > 0 ? static_cast<size_t>(length) : 0;
  query->answer =
      read_answer(rcode, ByteView(static_cast<const std::byte*>(packet), size), security);
  query->finished = true;
  query->done.notify_all();
}

class UnboundSource final : public RecordSource {
 public:
  UnboundSource(reactor::Reactor& reactor) : reactor_(reactor), base_(reactor) {}

  result<void> open(const ResolverOptions& options);

  task<std::expected<Answer, Failure>> query(std::string name, RecordType type,
                                             Wait wait) override {
    Query& query = start(name, type);
    while (!query.finished) {
      const Instant limit = reactor_.now() + kQueryTimeout;
      const Wait bounded{std::min(wait.deadline, limit), wait.scope};
      auto waited = co_await query.done.wait(reactor_, bounded);
      if (!waited && !query.finished) {
        query.abandoned = true;
        const bool cancelled = waited.error().code == Errc::cancelled;
        co_return std::unexpected(cancelled ? Failure::cancelled : Failure::timed_out);
      }
    }
    auto answer = std::move(query.answer);
    queries_.erase(query.self);
    co_return answer;
  }

 private:
  Query& start(const std::string& name, RecordType type) {
    queries_.emplace_back();
    Query& query = queries_.back();
    query.home = &queries_;
    query.self = std::prev(queries_.end());
    const int failed = ub_resolve_event(context_.get(), name.c_str(), static_cast<int>(type),
                                        kClassInternet, &query, on_answer, nullptr);
    if (failed != 0) query.finished = true;
    return query;
  }

  reactor::Reactor& reactor_;
  EventBase base_;
  std::list<Query> queries_;  // before context_: libunbound may call back while it is deleted
  std::unique_ptr<ub_ctx, ContextDeleter> context_;
};

result<void> UnboundSource::open(const ResolverOptions& options) {
  context_.reset(ub_ctx_create_ub_event(base_.handle()));
  if (context_ == nullptr) return fail(Errc::no_memory);
  const std::string cache = std::to_string(options.cache_bytes);
  const std::string keys = std::to_string(options.cache_bytes / 4);
  // Loopback resolvers (systemd-resolved, a local unbound) are the usual case and are refused by
  // default.
  const std::pair<const char*, const char*> settings[] = {
      {"do-not-query-localhost:", "no"},
      // Names of private networks are the business of the resolver that the administrator named.
      {"unblock-lan-zones:", "yes"},
      {"insecure-lan-zones:", "yes"},
      {"rrset-cache-size:", cache.c_str()},
      {"msg-cache-size:", cache.c_str()},
      {"key-cache-size:", keys.c_str()},
      {"cache-max-ttl:", "3600"},
      {"cache-max-negative-ttl:", "300"},
      {"use-syslog:", "no"},
      {"verbosity:", "0"},
  };
  for (const auto& [key, value] : settings) {
    if (ub_ctx_set_option(context_.get(), key, value) != 0) return fail(Errc::invalid);
  }
  const std::string& anchor = options.trust_anchor_file;
  if (!anchor.empty() && ub_ctx_add_ta_file(context_.get(), anchor.c_str()) != 0) {
    return fail(Errc::not_found);
  }
  if (options.servers.empty()) {
    if (ub_ctx_resolvconf(context_.get(), nullptr) != 0) return fail(Errc::not_found);
    // /etc/hosts gives answers too, as administrators expect; a missing file is no fault.
    ub_ctx_hosts(context_.get(), nullptr);
  }
  for (const SocketAddress& server : options.servers) {
    const std::string text = server.ip.to_string() + "@" + std::to_string(server.port);
    if (ub_ctx_set_fwd(context_.get(), text.c_str()) != 0) return fail(Errc::invalid);
  }
  // So are these, which libunbound would deny by itself. Last: it ends the time of settings.
  for (const char* zone : {"test.", "home.arpa."}) {
    if (ub_ctx_zone_remove(context_.get(), zone) != 0) return fail(Errc::invalid);
  }
  return {};
}

}  // namespace

result<std::unique_ptr<RecordSource>> make_unbound_source(reactor::Reactor& reactor,
                                                          const ResolverOptions& options) {
  auto source = std::make_unique<UnboundSource>(reactor);
  if (auto opened = source->open(options); !opened) return std::unexpected(opened.error());
  return source;
}

}  // namespace mailroot::dns
