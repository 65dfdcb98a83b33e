#include "context.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <tuple>

#include "mailroot/base/log.h"
#include "mailroot/config/limits.h"

namespace mailroot::config {

void ProblemList::add(Problem problem) {
  if (problems_.size() < kProblemsMax) {
    problems_.push_back(std::move(problem));
  } else {
    ++dropped_;
  }
}

std::vector<Problem> ProblemList::take() {
  std::sort(problems_.begin(), problems_.end(), [](const Problem& a, const Problem& b) {
    return std::tie(a.place.file, a.place.line, a.place.column, a.key, a.text) <
           std::tie(b.place.file, b.place.line, b.place.column, b.key, b.text);
  });
  if (dropped_ > 0) {
    Problem rest;
    rest.text = fmt::format("{} more problems are not shown", dropped_);
    problems_.push_back(std::move(rest));
  }
  return std::move(problems_);
}

Context::Step::Step(Context& context, std::string_view key)
    : context_(context), length_(context.path_.size()) {
  if (length_ > 0) context_.path_ += '.';
  context_.path_ += key;
}

Context::Step::Step(Context& context, size_t index)
    : context_(context), length_(context.path_.size()) {
  context_.path_ += fmt::format("[{}]", index);
}

std::string Context::resolve(std::string_view path) const {
  const std::filesystem::path directory = std::filesystem::path(file_).parent_path();
  std::string out = (directory / path).lexically_normal().string();
  // "dir/" is the same directory as "dir".
  if (out.size() > 1 && out.back() == '/') out.pop_back();
  return out;
}

void Context::complain(const Node& node, std::string text, std::string allowed) {
  Problem problem;
  problem.place = place_of(node);
  problem.key = log::escape(path_);
  problem.text = std::move(text);
  problem.found = describe_node(node);
  problem.allowed = std::move(allowed);
  problems_.add(std::move(problem));
}

void Context::complain_wrong_type(const Node& node, std::string allowed) {
  complain(node, "wrong value", std::move(allowed));
}

void Context::complain_empty(const Node& key, std::string allowed) {
  Problem problem;
  problem.place = place_of(key);
  problem.key = log::escape(path_);
  problem.text = "no value";
  problem.allowed = std::move(allowed);
  problems_.add(std::move(problem));
}

void Context::complain_missing(const Node& record, std::string allowed) {
  Problem problem;
  problem.place = place_of(record);
  problem.key = log::escape(path_);
  problem.text = "must be set";
  problem.allowed = std::move(allowed);
  problems_.add(std::move(problem));
}

void Context::warn(const Node& node, const std::string& text) {
  warnings_.push_back(place_of(node).to_string() + ": " + log::escape(path_) + ": " + text);
}

Place Context::place_of_key(const std::string& path) const {
  const auto found = seen_.find(path);
  return found == seen_.end() ? Place{file_, 1, 1} : found->second;
}

void Context::complain_at_key(const std::string& path, std::string text) {
  Problem problem;
  problem.place = place_of_key(path);
  problem.key = log::escape(path);
  problem.text = std::move(text);
  problems_.add(std::move(problem));
}

}  // namespace mailroot::config
