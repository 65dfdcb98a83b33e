// The outbound connections as an operator sees them, and the end of one.
#include "connection.h"
#include "engine.h"

namespace mailroot::deliver {
namespace {

ConnectionStage stage_of(const Connection* connection) {
  if (connection == nullptr) return ConnectionStage::connecting;
  if (connection->is_idle()) return ConnectionStage::idle;
  return connection->awaits_final_reply() ? ConnectionStage::final_reply
                                          : ConnectionStage::transaction;
}

}  // namespace

std::vector<ConnectionView> Dispatcher::connections(uint64_t after, size_t max) const {
  const Engine& engine = *impl_;
  std::vector<ConnectionView> views;
  for (auto at = engine.couriers.upper_bound(after);
       at != engine.couriers.end() && views.size() < max; ++at) {
    const CourierHandle& courier = *at->second;
    ConnectionView view;
    view.number = at->first;
    view.destination = engine.destinations[courier.destination]->key;
    view.since = courier.since;
    view.stage = stage_of(courier.connection);
    if (courier.connection != nullptr) {
      view.peer = courier.connection->target().to_string();
      view.address = courier.connection->target().address;
      view.messages = courier.connection->transactions();
      view.bytes = courier.connection->bytes_sent();
    }
    views.push_back(std::move(view));
  }
  return views;
}

CloseResult Dispatcher::close_connection(uint64_t number) {
  Engine& engine = *impl_;
  const auto found = engine.couriers.find(number);
  if (found == engine.couriers.end()) return CloseResult::not_found;
  CourierHandle& courier = *found->second;
  if (stage_of(courier.connection) == ConnectionStage::final_reply) {
    return CloseResult::final_reply;
  }
  log::Event event(log::Level::info, "connection_closed");
  event.with("server", engine.settings->id).with("direction", "out");
  event.with("destination", engine.destinations[courier.destination]->key).with("by", "operator");
  engine.around.log.write(std::move(event));
  courier.scope.cancel();
  return CloseResult::closed;
}

}  // namespace mailroot::deliver
