// What is known about each property of the SMTP service's schema, and a virtual server's effective
// values: its own, else those of /LM/SmtpSvc, else the default.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mailroot/import/convert.h"

namespace mailroot::import {

enum class Use : uint8_t {
  setting,      // the converter has code for it
  secret,       // encrypted under the old machine's key
  engine,       // tunes IIS's own engine
  state,        // written by IIS about itself
  superseded,   // of older versions, or reserved; IIS 6 does not act on it
  protocol_log  // details of the protocol log
};

struct KnownProperty {
  std::string_view name;
  uint32_t id;  // 0: not public
  Use use;
  std::string_view schema;  // default when absent
  std::string_view setup;   // what setup writes at /LM/SmtpSvc; empty: as schema
};
const KnownProperty* known_property(std::string_view name);
const KnownProperty* known_property(const Property& property);  // Custom ones also by id

struct Setting {
  std::string_view name;
  std::string_view value;
  Origin origin = Origin::own;
};

// Views into the metabase; remembers what was asked for, so that nothing is forgotten.
class Properties {
 public:
  // `service`: null when the file has none.
  Properties(const Key& own, const Key* service);

  // As written at the virtual server or at the service.
  std::optional<Setting> written(std::string_view name);
  // The same, else the default; nothing when the default is null.
  std::optional<Setting> effective(std::string_view name);

  // The virtual server's own that nobody asked for, and second copies of a name.
  std::vector<const Property*> left_over() const;

 private:
  const Key& own_;
  const Key* service_;
  std::vector<bool> asked_;
};

bool is_true(const Setting& setting);  // TRUE or a number other than 0
// Names joined by '|', or a number.
struct FlagName {
  std::string_view name;
  uint32_t bit;
};
uint32_t parse_flags(std::string_view text, const std::vector<FlagName>& names);

}  // namespace mailroot::import
