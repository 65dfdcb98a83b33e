// The SMTP part of an IIS metabase (MetaBase.xml of IIS 6 and later) as a value. Pure: octets in,
// keys out. Names and paths compare without case, as IIS does. Keys and properties are views into
// the file's text, which the metabase and its copies keep.
#pragma once

#include <cstdint>
#include <deque>
#include <expected>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace mailroot::import {

struct Property {
  std::string_view name;   // as written; of a Custom one without a name "UnknownName_<id>"
  std::string_view value;  // newlines and tabs as in the file: they part the items of a MULTISZ
  uint32_t id = 0;         // of a Custom one, else 0
  bool custom = false;
};

// One element with a Location.
struct Key {
  std::string_view location;  // "/LM/SmtpSvc/1/Domain/example.com"
  std::string_view name;      // its last part
  std::string_view type;      // "IIsSmtpDomain"
  std::vector<Property> properties;
  const Property* find(std::string_view property) const;  // the first one; null: none
};

struct Instance {
  uint32_t number = 0;
  Key key;
  std::vector<Key> domains;  // in the order of the file
  std::vector<Key> routing_sources;
  std::vector<Key> others;  // Sessions, Alias, User, DL, Root ...
};

// What the views view.
struct MetabaseText {
  std::string text;              // changed in place by the parser
  std::deque<std::string> made;  // names that are not in the text
};

struct Metabase {
  std::shared_ptr<MetabaseText> text;
  std::optional<Key> service;                  // /LM/SmtpSvc; without it the file is an extract
  std::vector<Instance> instances;             // by number; at least one
  std::vector<Key> others;                     // below /LM/SmtpSvc, of no virtual server
  std::map<std::string, size_t> foreign_keys;  // keys of other services: "W3SVC" -> how many
  size_t event_keys = 0;                       // below /LM/EventManager
  std::vector<std::string> oddities;           // what the file says twice or out of place
};

// Refuses, with one sentence: what is no XML or no metabase, a binary metabase (IIS 4 and 5),
// declarations of types or entities (they are never expanded), octets that are neither UTF-8 nor
// UTF-16, anything beyond limits.h. Memory is a small multiple of `octets`.
std::expected<Metabase, std::string> parse_metabase(std::string octets);

// Says why a file of this size is not even read; nothing: it may be.
std::optional<std::string> refuse_size(uint64_t size_bytes);

}  // namespace mailroot::import
