task<void> f() {
  const auto& [a, b] = co_await both();
}
