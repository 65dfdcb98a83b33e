// What a reader of values carries along: where it is, what is allowed there, and where problems go.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "mailroot/config/load.h"
#include "yaml_tree.h"

namespace mailroot::config {

// Collects the problems of all files; at most kProblemsMax are kept, the rest is counted.
class ProblemList {
 public:
  void add(Problem problem);
  bool empty() const { return problems_.empty(); }
  // Sorted by file, line and column.
  std::vector<Problem> take();

 private:
  std::vector<Problem> problems_;
  size_t dropped_ = 0;
};

// Of one file.
class Context {
 public:
  Context(std::string file, ProblemList& problems) : file_(std::move(file)), problems_(problems) {}

  // Narrows the path for its lifetime: "delivery" -> "delivery.hop_limit", or "bindings" ->
  // "bindings[2]".
  class Step {
   public:
    Step(Context& context, std::string_view key);
    Step(Context& context, size_t index);
    ~Step() { context_.path_.resize(length_); }
    Step(const Step&) = delete;
    Step& operator=(const Step&) = delete;

   private:
    Context& context_;
    size_t length_;
  };

  const std::string& file() const { return file_; }
  const std::string& path() const { return path_; }
  Place place_of(const Node& node) const { return {file_, node.line, node.column}; }
  // Relative paths in a file are relative to that file.
  std::string resolve(std::string_view path) const;

  // About the value at `node`; the path is the current one.
  void complain(const Node& node, std::string text, std::string allowed = {});
  // "found X; allowed: Y"
  void complain_wrong_type(const Node& node, std::string allowed);
  void complain_empty(const Node& key, std::string allowed);
  void complain_missing(const Node& record, std::string allowed);
  void add(Problem problem) { problems_.add(std::move(problem)); }

  // Where each key of the file was set, by full path, for checks that look at several keys.
  void remember(const Node& node) { seen_[path_] = place_of(node); }
  // The place of a key that was set, else of the file.
  Place place_of_key(const std::string& path) const;
  bool was_set(const std::string& path) const { return seen_.contains(path); }
  void complain_at_key(const std::string& path, std::string text);

  // Allowed, and perhaps not what was meant; the path is the current one.
  void warn(const Node& node, const std::string& text);
  std::vector<std::string> take_warnings() { return std::move(warnings_); }

 private:
  std::string file_;
  std::string path_;
  ProblemList& problems_;
  std::vector<std::string> warnings_;
  std::map<std::string, Place> seen_;
};

}  // namespace mailroot::config
