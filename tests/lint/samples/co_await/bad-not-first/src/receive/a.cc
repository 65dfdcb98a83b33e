task<void> f() {
  int sum = 1 + co_await first();
}
