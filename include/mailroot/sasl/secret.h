// A password or token in memory: wiped when it dies, never printed. Not for concurrent change.
#pragma once

#include <string>
#include <utility>

namespace mailroot::sasl {

class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string text) : text_(std::move(text)) {}
  Secret(const Secret& other) = default;
  Secret(Secret&& other) noexcept : text_(std::move(other.text_)) { other.clear(); }
  Secret& operator=(const Secret& other);
  Secret& operator=(Secret&& other) noexcept;
  ~Secret() { clear(); }

  void clear();
  // Where it is needed, by name: a search for reveal() finds every use.
  const std::string& reveal() const { return text_; }
  bool empty() const { return text_.empty(); }
  friend bool operator==(const Secret& a, const Secret& b);

 private:
  std::string text_;
};

}  // namespace mailroot::sasl
