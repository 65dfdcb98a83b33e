// Any text, and any octets as hexadecimal, as an IPSECLIST: a refusal, or entries within the limit.
#include "fuzz.h"
#include "mailroot/import/ip_list.h"
#include "mailroot/import/limits.h"

using namespace mailroot;
using mailroot::fuzz::check;

namespace {

void decode(std::string_view hex) {
  const auto list = import::decode_ip_list(hex);
  if (!list) {
    check(!list.error().empty(), "a refusal says why");
    return;
  }
  for (const auto* const entries : {&list->deny, &list->grant}) {
    check(entries->size() <= import::kIpListEntriesMax, "no more entries than the limit");
    // Four octets of the blob hold one at most.
    check(entries->size() <= hex.size(), "no more entries than octets");
    for (const auto& entry : *entries) {
      const auto network = import::to_network(entry);
      check(!network || network->contains(IpAddress::v4(entry.address)),
            "a network holds its address");
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  decode(fuzz::as_text(data, size));
  std::string hex;
  for (size_t i = 0; i < size; ++i) {
    hex += "0123456789abcdef"[data[i] >> 4];
    hex += "0123456789abcdef"[data[i] & 15];
  }
  decode(hex);
  return 0;
}
