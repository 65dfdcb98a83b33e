// The terminal as a full-screen view, given back as it was however the view ends. One at a time.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

namespace mailroot::ctl {

class Screen {
 public:
  Screen();
  ~Screen();
  Screen(const Screen&) = delete;
  Screen& operator=(const Screen&) = delete;

  struct Size {
    size_t columns = 80, rows = 24;
  };
  Size size() const;
  // False: the terminal is gone.
  bool show(const std::vector<std::string>& lines);
  enum class Event : unsigned char { quit, refresh, timeout };
  // Waits for a key, a new size, or a signal that ends us (quit).
  Event wait(std::chrono::milliseconds timeout);

 private:
  void enter();
  void leave();
  void rest();
};

}  // namespace mailroot::ctl
