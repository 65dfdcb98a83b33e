// AddressWatch: hears from the kernel which addresses appear on this machine (DHCP, keepalived, an
// interface that comes up), so that servers that wait for one start by themselves (decisions 6).
// Control thread.
#pragma once

#include <string>
#include <vector>

#include "mailroot/base/bytes.h"
#include "mailroot/base/result.h"
#include "mailroot/reactor/reactor.h"

namespace mailroot::server {

struct AddressNews {
  std::vector<IpAddress> appeared;
  bool lost = false;  // the kernel had more to tell than its buffer holds: any may have appeared
};

// Adds what one rtnetlink datagram says of new addresses that can be listened at. Pure; whatever
// is not of that form is skipped.
void read_address_news(ByteView datagram, AddressNews& news);

class AddressWatch {
 public:
  AddressWatch() = default;
  ~AddressWatch();
  AddressWatch(const AddressWatch&) = delete;
  AddressWatch& operator=(const AddressWatch&) = delete;

  // From here on nothing is missed.
  result<void> open();
  // Readable when there are news; none before open().
  reactor::Descriptor descriptor() const { return socket_; }
  AddressNews take();

 private:
  reactor::Descriptor socket_ = reactor::kNoDescriptor;
};

}  // namespace mailroot::server
