#include "name_lookup.h"

#include <chrono>
#include <optional>
#include <utility>

#include "mailroot/dns/resolver.h"
#include "mailroot/reactor/reactor.h"
#include "mailroot/reactor/task_group.h"
#include "tool_limits.h"

namespace mailroot::ctl {

using reactor::task;

struct NameLookup::Impl {
  std::unique_ptr<reactor::Reactor> reactor;
  std::unique_ptr<dns::Resolver> resolver;
  std::string trouble;  // why there is no resolver

  reactor::Wait patience() const {
    return {reactor->now() + std::chrono::seconds(kNameLookupSeconds), nullptr};
  }
};

namespace {

template <class Answer>
using Answered = std::optional<std::expected<Answer, dns::ResolveFailure>>;

template <class Answer>
task<void> answer_into(task<std::expected<Answer, dns::ResolveFailure>> question,
                       Answered<Answer>& out) {
  auto answer = co_await std::move(question);
  out = std::move(answer);
}

template <class Answer>
std::expected<Answer, std::string> run(reactor::Reactor& reactor,
                                       task<std::expected<Answer, dns::ResolveFailure>> question) {
  Answered<Answer> out;
  reactor::TaskGroup group;
  group.spawn(answer_into<Answer>(std::move(question), out));
  while (!out) reactor.turn(true);
  if (!*out) return std::unexpected(out->error().text);
  return std::move(**out);
}

}  // namespace

NameLookup::NameLookup(const config::Service& service) : impl_(std::make_unique<Impl>()) {
  auto backend = reactor::make_backend(reactor::BackendChoice::epoll, {}, impl_->trouble);
  if (!backend) return;
  impl_->reactor =
      std::make_unique<reactor::Reactor>(std::move(*backend), reactor::ReactorLimits{});
  std::vector<dns::FixedAnswer> fixed;
  for (const auto& host : service.dns_hosts) fixed.push_back({host.name, host.values});
  dns::ResolverOptions options;
  options.servers = service.dns_servers;
  auto made = dns::make_unbound_resolver(*impl_->reactor, options, std::move(fixed));
  if (made) {
    impl_->resolver = std::move(*made);
  } else {
    impl_->trouble = "no name server is known (/etc/resolv.conf)";
  }
}

NameLookup::~NameLookup() {
  impl_->resolver.reset();
  if (!impl_->reactor) return;
  impl_->reactor->stop();
  impl_->reactor->run();  // until what the resolver had in flight has ended
}

std::expected<std::vector<IpAddress>, std::string> NameLookup::addresses(const std::string& host) {
  if (!impl_->resolver) return std::unexpected(impl_->trouble);
  return run(*impl_->reactor, impl_->resolver->addresses(host, impl_->patience()));
}

std::expected<std::vector<IpAddress>, std::string> NameLookup::mail_hosts(
    const std::string& domain) {
  if (!impl_->resolver) return std::unexpected(impl_->trouble);
  auto found = run(*impl_->reactor, impl_->resolver->mail_hosts(domain, impl_->patience()));
  if (!found) return std::unexpected(found.error());
  std::vector<IpAddress> out;
  for (const auto& host : found->hosts) {
    out.insert(out.end(), host.addresses.begin(), host.addresses.end());
  }
  return out;
}

std::expected<std::string, std::string> NameLookup::reverse(const IpAddress& address) {
  if (!impl_->resolver) return std::unexpected(impl_->trouble);
  return run(*impl_->reactor, impl_->resolver->reverse(address, impl_->patience()));
}

}  // namespace mailroot::ctl
