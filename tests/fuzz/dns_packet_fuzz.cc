// A DNS answer from anybody: never read past its end, never a name that could forge a log line, and
// never more records than the limit.
#include "../../src/dns/packet.h"

#include "fuzz.h"

using namespace mailroot;
using mailroot::fuzz::check;

namespace {

void check_name(const std::string& name) {
  check(name.size() <= dns::kNameBytesMax, "a name within its limit");
  for (const char c : name) {
    const bool plain =
        (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
    check(plain, "a name of host name characters");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const ByteView wire(reinterpret_cast<const std::byte*>(data), size);
  const auto packet = dns::parse_packet(wire);
  if (!packet) return 0;
  check(packet->answers.size() <= dns::kAnswersMax, "answers within their limit");
  for (const dns::Record& record : packet->answers) {
    check_name(record.owner);
    check_name(record.target);
    const bool is_address =
        record.type == dns::RecordType::a || record.type == dns::RecordType::aaaa;
    check(record.address.has_value() == is_address, "an address where one belongs");
  }
  return 0;
}
