// pugixml reads the elements; the limits before and after it keep hostile files small. It never
// expands entities other than the five of XML and characters by number, and parses and frees
// without recursion, so depth costs no stack.
#include "mailroot/import/metabase.h"

#include <fmt/format.h>

#include <algorithm>
#include <pugixml.hpp>

#include "mailroot/import/limits.h"
#include "mailroot/smtp/grammar.h"
#include "text.h"

namespace mailroot::import {

namespace {

using smtp::equals_ignoring_case;

// Attributes keep their newlines: a MULTISZ is parted by them. Line ends stay as they are, so that
// lines can be counted in text that was parsed in place.
constexpr unsigned kParsing = pugi::parse_escapes | pugi::parse_doctype;

std::unexpected<std::string> refuse(std::string sentence) {
  return std::unexpected(std::move(sentence));
}

std::optional<std::string> check_text(std::string_view text) {
  const auto count = [text](char wanted) {
    return static_cast<size_t>(std::count(text.begin(), text.end(), wanted));
  };
  if (count('<') > kTagsMax) {
    return fmt::format("holds more than {} tags (limit kTagsMax)", kTagsMax);
  }
  if (count('=') > kAttributesMax) {
    return fmt::format("holds more than {} attributes (limit kAttributesMax)", kAttributesMax);
  }
  return std::nullopt;
}

std::string describe_failure(const pugi::xml_parse_result& result, std::string_view text) {
  const auto offset =
      std::min(static_cast<size_t>(std::max<ptrdiff_t>(result.offset, 0)), text.size());
  const auto line =
      1 + std::count(text.begin(), text.begin() + static_cast<ptrdiff_t>(offset), '\n');
  return fmt::format("is no well-formed XML: {} at line {}", result.description(), line);
}

struct Path {
  bool is_local_machine = false;
  std::vector<std::string_view> parts;  // below /LM
};

// "/LM/SmtpSvc/1" in any case; a '/' at either end is tolerated.
Path split(std::string_view location) {
  Path out;
  std::vector<std::string_view> parts;
  while (!location.empty()) {
    const size_t slash = std::min(location.find('/'), location.size());
    if (slash > 0) parts.push_back(location.substr(0, slash));
    location.remove_prefix(std::min(slash + 1, location.size()));
  }
  if (parts.empty() || !equals_ignoring_case(parts[0], "LM")) return out;
  out.is_local_machine = true;
  out.parts.assign(parts.begin() + 1, parts.end());
  return out;
}

std::optional<uint32_t> instance_number(std::string_view part) {
  const auto number = parse_dword(part);
  if (!number || part.front() < '0' || part.front() > '9') return std::nullopt;
  return number;
}

void add_customs(pugi::xml_node element, Key& key, MetabaseText& text) {
  for (const pugi::xml_node custom : element.children("Custom")) {
    if (key.properties.size() > kPropertiesMax) break;
    Property property;
    property.custom = true;
    property.id = parse_dword(custom.attribute("ID").value()).value_or(0);
    property.name = custom.attribute("Name").value();
    if (property.name.empty()) {
      property.name = text.made.emplace_back(fmt::format("UnknownName_{}", property.id));
    }
    property.value = custom.attribute("Value").value();
    key.properties.push_back(property);
  }
}

class Reader {
 public:
  explicit Reader(std::shared_ptr<MetabaseText> text) { out_.text = std::move(text); }
  std::expected<Metabase, std::string> read(const pugi::xml_document& document);

 private:
  std::optional<std::string> take(pugi::xml_node element);
  std::optional<std::string> take_smtp(pugi::xml_node element, std::string_view location,
                                       const Path& path);
  std::expected<Key, std::string> make_key(pugi::xml_node element, std::string_view location,
                                           std::string_view name);
  void place(Key key, uint32_t number, const Path& path);
  void odd(std::string text);
  std::expected<Metabase, std::string> finish();

  Metabase out_;
  std::map<uint32_t, Instance> instances_;
  std::map<uint32_t, bool> has_key_;
  size_t keys_ = 0;
};

// Walks without recursion; `depth` of the root element is 1.
std::expected<Metabase, std::string> Reader::read(const pugi::xml_document& document) {
  size_t depth = 1;
  pugi::xml_node node = document.first_child();
  while (node) {
    if (node.type() == pugi::node_doctype) {
      return refuse("declares a document type; a metabase has none, and entities are not expanded");
    }
    if (node.type() == pugi::node_element && node.attribute("Location")) {
      if (auto problem = take(node)) return refuse(std::move(*problem));
    }
    if (node.first_child()) {
      if (++depth > kDepthMax) {
        return refuse(
            fmt::format("is nested deeper than {} elements (limit kDepthMax)", kDepthMax));
      }
      node = node.first_child();
      continue;
    }
    while (node && !node.next_sibling()) {
      node = node.parent();
      --depth;
    }
    if (node) node = node.next_sibling();
  }
  return finish();
}

std::optional<std::string> Reader::take(pugi::xml_node element) {
  const std::string_view location = element.attribute("Location").value();
  if (location.size() > kLocationMax) {
    return fmt::format("has a Location longer than {} bytes (limit kLocationMax)", kLocationMax);
  }
  ++keys_;
  const Path path = split(location);
  if (!path.is_local_machine || path.parts.empty()) return std::nullopt;
  if (equals_ignoring_case(path.parts[0], "SmtpSvc")) return take_smtp(element, location, path);
  if (equals_ignoring_case(path.parts[0], "EventManager")) {
    ++out_.event_keys;
  } else {
    ++out_.foreign_keys[one_line(path.parts[0], kShownMax)];
  }
  return std::nullopt;
}

std::optional<std::string> Reader::take_smtp(pugi::xml_node element, std::string_view location,
                                             const Path& path) {
  auto key = make_key(element, location, path.parts.back());
  if (!key) return std::move(key.error());
  if (path.parts.size() == 1) {
    if (out_.service) {
      odd(fmt::format("{} is there twice; the first counts", one_line(location, kShownMax)));
    } else {
      out_.service = std::move(*key);
    }
    return std::nullopt;
  }
  const auto number = instance_number(path.parts[1]);
  if (!number) {
    out_.others.push_back(std::move(*key));
    return std::nullopt;
  }
  place(std::move(*key), *number, path);
  if (instances_.size() > kServersMax) {
    return fmt::format("holds more than {} virtual servers (limit kServersMax)", kServersMax);
  }
  return std::nullopt;
}

void Reader::place(Key key, uint32_t number, const Path& path) {
  Instance& instance = instances_[number];
  instance.number = number;
  if (path.parts.size() == 2) {
    bool& present = has_key_[number];
    if (present) {
      odd(fmt::format("{} is there twice; the first counts", one_line(key.location, kShownMax)));
    } else {
      instance.key = std::move(key);
    }
    present = true;
  } else if (equals_ignoring_case(path.parts[2], "Domain") && path.parts.size() == 4) {
    instance.domains.push_back(std::move(key));
  } else if (equals_ignoring_case(path.parts[2], "Domain") && path.parts.size() == 3) {
    if (!key.properties.empty()) instance.others.push_back(std::move(key));
  } else if (equals_ignoring_case(path.parts[2], "RoutingSources")) {
    instance.routing_sources.push_back(std::move(key));
  } else {
    instance.others.push_back(std::move(key));
  }
}

std::expected<Key, std::string> Reader::make_key(pugi::xml_node element, std::string_view location,
                                                 std::string_view name) {
  Key key{location, name, element.name(), {}};
  for (const pugi::xml_attribute attribute : element.attributes()) {
    if (std::string_view(attribute.name()) == "Location") continue;
    key.properties.push_back({attribute.name(), attribute.value(), 0, false});
    if (key.properties.size() > kPropertiesMax) break;
  }
  add_customs(element, key, *out_.text);
  if (key.properties.size() > kPropertiesMax) {
    return refuse(fmt::format("{} has more than {} properties (limit kPropertiesMax)",
                              one_line(location, kShownMax), kPropertiesMax));
  }
  return key;
}

void Reader::odd(std::string text) {
  if (out_.oddities.size() < kRemarksMax) out_.oddities.push_back(std::move(text));
}

std::expected<Metabase, std::string> Reader::finish() {
  for (auto& [number, instance] : instances_) {
    if (has_key_.contains(number)) {
      out_.instances.push_back(std::move(instance));
    } else {
      odd(
          fmt::format("/LM/SmtpSvc/{} has keys below it but none of its own: no virtual server is "
                      "made from them",
                      number));
    }
  }
  if (!out_.instances.empty()) return std::move(out_);
  if (keys_ == 0) return refuse("is XML, but no metabase: no element has a Location");
  std::string services;
  for (const auto& [name, count] : out_.foreign_keys) {
    if (services.size() > kShownMax) break;
    services += (services.empty() ? "; it has keys of " : ", ") + name;
  }
  return refuse("holds no virtual server of the SMTP service (/LM/SmtpSvc/1 and so on)" + services);
}

}  // namespace

const Property* Key::find(std::string_view property) const {
  for (const Property& candidate : properties) {
    if (equals_ignoring_case(candidate.name, property)) return &candidate;
  }
  return nullptr;
}

std::optional<std::string> refuse_size(uint64_t size_bytes) {
  if (size_bytes <= kMetabaseSizeMax) return std::nullopt;
  return fmt::format("is {} MiB large, more than {} MiB (limit kMetabaseSizeMax); it was not read",
                     size_bytes / kMiB, kMetabaseSizeMax / kMiB);
}

std::expected<Metabase, std::string> parse_metabase(std::string octets) {
  if (auto problem = refuse_size(octets.size())) return refuse(std::move(*problem));
  if (octets.empty()) return refuse("is empty");
  auto utf8 = to_utf8(octets);
  const bool is_binary = !utf8 && octets.contains('\0') && !is_wide(octets);
  if (is_binary || !octets.contains('<')) {
    return refuse(
        "is no XML; the binary MetaBase.bin of IIS 4 and 5 has to be exported on Windows first");
  }
  if (!utf8) return refuse(std::move(utf8.error()));
  if (auto problem = check_text(utf8->text)) return refuse(std::move(*problem));
  auto text = std::make_shared<MetabaseText>();
  const size_t size = utf8->text.size();
  text->text = utf8->owned.empty() ? std::move(octets) : std::move(utf8->owned);
  char* const begin = text->text.data() + (text->text.size() - size);  // behind a byte order mark
  pugi::xml_document document;
  const auto result = document.load_buffer_inplace(begin, size, kParsing, pugi::encoding_utf8);
  if (!result) return refuse(describe_failure(result, {begin, size}));
  return Reader(std::move(text)).read(document);
}

}  // namespace mailroot::import
