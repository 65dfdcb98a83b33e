#include <nlohmann/json.hpp>

#include "mailroot/import/convert.h"

namespace mailroot::import {

namespace {

using nlohmann::json;

std::string_view to_word(Origin origin) {
  switch (origin) {
    case Origin::own:
      return "own";
    case Origin::inherited:
      return "inherited";
    case Origin::schema:
      return "schema";
    case Origin::setup:
      return "setup";
  }
  return "";
}

json to_json(const std::vector<Remark>& remarks) {
  json out = json::array();
  for (const Remark& remark : remarks) {
    json one = {{"verdict", to_string(remark.verdict)}};
    if (!remark.subject.empty()) one["subject"] = remark.subject;
    if (!remark.property.empty()) {
      one["property"] = remark.property;
      one["value"] = remark.value;
      one["origin"] = to_word(remark.origin);
    }
    if (!remark.key.empty()) one["key"] = remark.key;
    if (!remark.text.empty()) one["text"] = remark.text;
    out.push_back(std::move(one));
  }
  return out;
}

std::string dump(const json& document) {
  return document.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace

std::vector<std::string> report_json(const Imported& imported) {
  std::vector<std::string> out;
  for (const ImportedServer& server : imported.servers) {
    json document = {{"number", server.number}, {"id", server.id},
                     {"name", server.name},     {"domains", server.domains},
                     {"held", server.held},     {"remarks", to_json(server.remarks)}};
    if (!server.problem.empty()) document["problem"] = server.problem;
    out.push_back(dump(document));
  }
  out.push_back(dump({{"service", "SmtpSvc"}, {"remarks", to_json(imported.remarks)}}));
  return out;
}

}  // namespace mailroot::import
