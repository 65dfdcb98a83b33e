task<void> f() {
  auto [a, b] = co_await both();
}
