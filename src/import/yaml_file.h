// A virtual server file in the making: keys in any order, written in the order of the configuration
// with the IIS property each came from as a comment. What this version of Mailroot does not take
// yet is written as a comment in its place.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace mailroot::import {

// Is the key in this version, and what may be written ("true | false")?
bool is_available(std::string_view path);
bool allows_word(std::string_view path, std::string_view word);

class YamlFile {
 public:
  // `value` is YAML. Each path once.
  void set(std::string_view path, std::string value, std::string comment);
  // Entries that are YAML, each with its own comment.
  struct Item {
    std::string value;
    std::string comment;
  };
  void set_list(std::string_view path, std::vector<Item> items, std::string comment);
  // "# path: value", whatever this version knows.
  void set_off(std::string_view path, std::string value, std::string comment);
  void set_head(std::vector<std::string> lines) { head_ = std::move(lines); }
  void set_tail(std::vector<std::string> lines) { tail_ = std::move(lines); }

  std::string render() const;

 private:
  struct Entry {
    size_t rank;
    std::string path, value, comment;
    std::vector<Item> items;
    bool off = false;
  };
  std::vector<std::string> head_, tail_;
  std::vector<Entry> entries_;
};

// As a YAML scalar: plain when that is safe, else double-quoted.
std::string yaml_text(std::string_view text);
std::string yaml_duration(uint64_t seconds);
std::string yaml_size(uint64_t bytes);
std::string yaml_flow(const std::vector<std::string>& items);  // "[a, b]"; items are YAML

}  // namespace mailroot::import
