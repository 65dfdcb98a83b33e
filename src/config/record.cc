#include "record.h"

#include <fmt/format.h>

#include "mailroot/base/log.h"

namespace mailroot::config {

void complain_unknown_key(const Node& key, const std::string& path, const KnownPaths& known,
                          Context& context) {
  Problem problem;
  problem.place = context.place_of(key);
  problem.key = log::escape(context.path());
  if (key.text.contains('.')) {
    problem.text = "unknown key; keys are nested, not joined by dots";
  } else {
    problem.text = "unknown key";
    problem.nearest = known.nearest(path);
  }
  context.add(std::move(problem));
}

void complain_duplicate_key(const Node& key, const Node& first, Context& context) {
  Problem problem;
  problem.place = context.place_of(key);
  problem.key = log::escape(context.path());
  problem.text = fmt::format("set twice; first at {}:{}", first.line, first.column);
  context.add(std::move(problem));
}

}  // namespace mailroot::config
