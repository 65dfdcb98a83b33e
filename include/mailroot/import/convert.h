// A metabase as virtual server files, and what an administrator has to know about each: nothing of
// the metabase is left out of the report. Pure.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "mailroot/import/metabase.h"

namespace mailroot::import {

// "C:\Inetpub=/var/spool/mailroot": paths that begin with `from` begin with `to`.
struct PathMap {
  std::string from;  // without a trailing backslash
  std::string to;    // absolute
};
std::expected<PathMap, std::string> parse_path_map(std::string_view text);

struct ConvertOptions {
  std::string source;            // the metabase's name, for comments
  std::vector<PathMap> maps;     // the longest that fits counts
  bool keep_open_relay = false;  // a relay list that lets everybody relay stays open
};

enum class Verdict : uint8_t {
  same,         // means the same as in IIS
  different,    // carried, or has an equivalent, with a difference
  not_carried,  // has no equivalent; the text says why
  decide,       // the administrator has to choose before the virtual server can be what it was
};
std::string_view to_string(Verdict verdict);

enum class Origin : uint8_t {
  own,        // at the virtual server's key
  inherited,  // from /LM/SmtpSvc
  schema,     // absent: the default of IIS's schema
  setup,      // the file has no /LM/SmtpSvc: what IIS's setup writes there
};

struct Remark {
  Verdict verdict = Verdict::same;
  std::string subject;   // "domain example.com", "key Sessions"; empty: the virtual server itself
  std::string property;  // IIS's name; empty: about Mailroot's own
  std::string value;     // shortened, on one line; secrets are never shown
  Origin origin = Origin::own;
  std::string key;   // Mailroot's, with its value: "messages.size_limit: 25 MiB"; may be empty
  std::string text;  // a sentence; may be empty when it is the same
};

struct ImportedServer {
  uint32_t number = 0;  // IIS's instance
  std::string id;       // the file's stem
  std::string name;
  std::string yaml;     // empty: see problem
  std::string problem;  // why there can be no file; counts as an error
  bool held = false;    // autostart is off until the administrator has decided
  size_t domains = 0;   // written
  std::vector<Remark> remarks;
};

struct Imported {
  std::vector<ImportedServer> servers;
  std::vector<Remark> remarks;  // about the service and the file as a whole
};

// Ids are unique; home directories are apart. Two virtual servers that claim one address and port
// are both written, as IIS kept them, with a remark.
Imported convert(const Metabase& metabase, const ConvertOptions& options);

// The report for people, and as JSON: a document for each server, then one for the rest.
std::string report_text(const Imported& imported);
std::vector<std::string> report_json(const Imported& imported);

}  // namespace mailroot::import
