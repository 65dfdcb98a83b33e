#include "outcomes.h"

namespace mailroot::deliver {

using smtp::DeliveryOutcome;
using smtp::Disposition;
using smtp::Stage;

std::string Target::to_string() const {
  if (host.empty()) return address.to_string();
  return host + " " + address.ip.to_literal() + ":" + std::to_string(address.port);
}

DeliveryOutcome make_outcome(Disposition disposition, Stage stage, std::string_view enhanced_code,
                             std::string_view text) {
  DeliveryOutcome outcome;
  outcome.disposition = disposition;
  outcome.scope = smtp::OutcomeScope::message;
  outcome.stage = stage;
  outcome.enhanced_code = enhanced_code;
  outcome.text = text.substr(0, smtp::kOutcomeTextMax);
  return outcome;
}

DeliveryOutcome resolve_outcome(const dns::ResolveFailure& failure) {
  Disposition disposition = Disposition::failed;
  std::string_view code = "5.4.4";
  switch (failure.failure) {
    case dns::Failure::no_such_domain:
      code = "5.1.2";
      break;
    case dns::Failure::null_mx:
      code = "5.1.10";
      break;
    case dns::Failure::no_addresses:
    case dns::Failure::alias_mx:
      break;
    case dns::Failure::timed_out:
    case dns::Failure::server_failure:
    case dns::Failure::cancelled:
      disposition = Disposition::deferred;
      code = "4.4.3";
      break;
    case dns::Failure::bogus:
      disposition = Disposition::deferred;
      code = "4.7.27";
      break;
  }
  return make_outcome(disposition, Stage::resolve, code, failure.text);
}

DeliveryOutcome connect_outcome(const Target& target, const Error& error) {
  const bool is_ours = error.code == Errc::address_missing || error.code == Errc::too_many_files ||
                       error.code == Errc::no_memory || error.code == Errc::permission;
  DeliveryOutcome outcome =
      make_outcome(Disposition::deferred, Stage::connect, is_ours ? "4.3.5" : "4.4.1",
                   "connect to " + target.to_string() + ": " + std::string(describe(error.code)));
  outcome.scope = smtp::OutcomeScope::connection;
  outcome.remote_host = target.to_string();
  return outcome;
}

DeliveryOutcome loop_outcome(const Target& target) {
  // A smart host that is this server is a mistake of the administrator, not of the sender.
  const bool is_smart = target.list > 0;
  return make_outcome(is_smart ? Disposition::deferred : Disposition::failed, Stage::resolve,
                      is_smart ? "4.4.6" : "5.4.6",
                      "mail would loop back to this server: " + target.to_string());
}

DeliveryOutcome drop_outcome(const Error& error) {
  if (error.code == Errc::limit) {
    return make_outcome(Disposition::deferred, Stage::local, "4.2.2", "the Drop quota is reached");
  }
  if (error.code == Errc::no_space) {
    return make_outcome(Disposition::deferred, Stage::local, "4.3.1", "the Drop disk is full");
  }
  return make_outcome(Disposition::deferred, Stage::local, "4.3.0",
                      "cannot write into Drop: " + std::string(describe(error.code)));
}

}  // namespace mailroot::deliver
