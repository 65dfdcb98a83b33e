#include "packet.h"

#include <algorithm>

namespace mailroot::dns {

namespace {

constexpr uint16_t kTypeSoa = 6;
constexpr uint16_t kClassInternet = 1;

class Reader {
 public:
  explicit Reader(ByteView wire) : wire_(wire) {}

  bool failed() const { return failed_; }
  size_t position() const { return position_; }
  size_t left() const { return wire_.size() - position_; }
  void seek(size_t position) {
    if (position > wire_.size()) failed_ = true;
    position_ = std::min(position, wire_.size());
  }

  uint8_t byte() {
    if (left() < 1) return fail();
    return static_cast<uint8_t>(wire_[position_++]);
  }
  uint16_t word() {
    const uint16_t high = byte();
    return static_cast<uint16_t>(high << 8 | byte());
  }
  uint32_t long_word() {
    const uint32_t high = word();
    return high << 16 | word();
  }
  const uint8_t* bytes(size_t count) {
    if (left() < count) {
      fail();
      return nullptr;
    }
    const auto* at = reinterpret_cast<const uint8_t*>(wire_.data() + position_);
    position_ += count;
    return at;
  }

  // Reads a name; `usable` becomes false when it holds bytes no host name has. A pointer must go
  // to an earlier place than the last, so no packet makes this loop.
  std::string name(bool& usable) {
    std::string out;
    size_t resume = 0;
    size_t barrier = position_;
    for (;;) {
      const uint8_t length = byte();
      if (failed_) return {};
      if (length == 0) break;
      if ((length & 0xC0) == 0xC0) {
        const size_t target = static_cast<size_t>(length & 0x3F) << 8 | byte();
        if (failed_ || target >= barrier) {
          fail();
          return {};
        }
        if (resume == 0) resume = position_;
        barrier = target;
        position_ = target;
        continue;
      }
      const uint8_t* label = length > 63 ? nullptr : bytes(length);
      if (label == nullptr || out.size() + length + 1 > kNameBytesMax) {
        fail();
        return {};
      }
      append_label(out, label, length, usable);
    }
    if (resume != 0) position_ = resume;
    return out;
  }

 private:
  uint8_t fail() {
    failed_ = true;
    position_ = wire_.size();
    return 0;
  }
  static void append_label(std::string& out, const uint8_t* label, size_t length, bool& usable) {
    if (!out.empty()) out += '.';
    for (size_t i = 0; i < length; ++i) {
      char c = static_cast<char>(label[i]);
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
      const bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
      usable = usable && plain;
      out += c;
    }
  }

  ByteView wire_;
  size_t position_ = 0;
  bool failed_ = false;
};

// Reads the data of one record of a type we know; false when the record is unusable.
bool read_data(Reader& reader, Record& record, size_t length) {
  bool usable = true;
  switch (record.type) {
    case RecordType::a:
    case RecordType::aaaa: {
      const size_t wanted = record.type == RecordType::a ? 4 : 16;
      if (length != wanted) return false;
      const uint8_t* bytes = reader.bytes(wanted);
      if (bytes == nullptr) return false;
      record.address = IpAddress::from_bytes(wanted == 4 ? IpFamily::v4 : IpFamily::v6, bytes);
      return true;
    }
    case RecordType::mx:
      record.preference = reader.word();
      record.target = reader.name(usable);
      return usable;
    case RecordType::cname:
    case RecordType::ptr:
      record.target = reader.name(usable);
      return usable;
    case RecordType::tlsa: {
      constexpr size_t kFixedBytes = 3;
      if (length < kFixedBytes) return false;
      TlsaRecord tlsa{reader.byte(), reader.byte(), reader.byte(), {}};
      const uint8_t* bytes = reader.bytes(length - kFixedBytes);
      if (bytes == nullptr) return false;
      tlsa.data.assign(reinterpret_cast<const char*>(bytes), length - kFixedBytes);
      record.tlsa = std::move(tlsa);
      return true;
    }
  }
  return false;
}

bool is_known(uint16_t type) {
  switch (static_cast<RecordType>(type)) {
    case RecordType::a:
    case RecordType::cname:
    case RecordType::ptr:
    case RecordType::mx:
    case RecordType::aaaa:
    case RecordType::tlsa:
      return true;
  }
  return false;
}

struct RecordHeader {
  std::string owner;
  bool usable = true;
  uint16_t type = 0;
  uint16_t record_class = 0;
  uint32_t ttl_seconds = 0;
  size_t length = 0;
  size_t end = 0;
};

RecordHeader read_header(Reader& reader) {
  RecordHeader header;
  header.owner = reader.name(header.usable);
  header.type = reader.word();
  header.record_class = reader.word();
  header.ttl_seconds = reader.long_word();
  if (header.ttl_seconds > 0x7FFFFFFF) header.ttl_seconds = 0;  // RFC 2181 8
  header.length = reader.word();
  header.end = reader.position() + header.length;
  return header;
}

std::optional<uint32_t> read_negative_ttl(Reader& reader, const RecordHeader& header) {
  bool usable = true;
  reader.name(usable);
  reader.name(usable);
  for (int i = 0; i < 4; ++i) reader.long_word();  // serial, refresh, retry, expire
  const uint32_t minimum = reader.long_word();
  if (reader.failed()) return std::nullopt;
  return std::min(minimum, header.ttl_seconds);
}

}  // namespace

std::optional<Packet> parse_packet(ByteView wire) {
  Reader reader(wire);
  Packet packet;
  reader.word();  // id
  packet.rcode = reader.word() & 15;
  const uint16_t questions = reader.word();
  const uint16_t answers = reader.word();
  const uint16_t authorities = reader.word();
  reader.word();
  for (uint16_t i = 0; i < questions && !reader.failed(); ++i) {
    bool usable = true;
    reader.name(usable);
    reader.long_word();
  }
  for (uint16_t i = 0; i < answers && !reader.failed() && i < kAnswersMax; ++i) {
    const RecordHeader header = read_header(reader);
    if (reader.failed() || header.length > reader.left()) return std::nullopt;
    Record record{.owner = header.owner, .ttl_seconds = header.ttl_seconds, .target = {}};
    if (is_known(header.type) && header.record_class == kClassInternet) {
      record.type = static_cast<RecordType>(header.type);
      const bool usable = read_data(reader, record, header.length) && header.usable;
      if (reader.failed() || reader.position() > header.end) return std::nullopt;
      if (usable) packet.answers.push_back(std::move(record));
    }
    reader.seek(header.end);
  }
  for (uint16_t i = 0; answers <= kAnswersMax && i < authorities && !reader.failed(); ++i) {
    const RecordHeader header = read_header(reader);
    if (reader.failed() || header.length > reader.left()) return std::nullopt;
    if (header.type == kTypeSoa) packet.negative_ttl_seconds = read_negative_ttl(reader, header);
    reader.seek(header.end);
  }
  if (reader.failed()) return std::nullopt;
  return packet;
}

bool is_host_name(std::string_view name) {
  if (name.empty() || name.size() > 253) return false;
  size_t label = 0;
  for (const char c : name) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '_';
    if (c == '.') {
      if (label == 0) return false;
      label = 0;
    } else if (!plain || ++label > 63) {
      return false;
    }
  }
  return label != 0;
}

}  // namespace mailroot::dns
