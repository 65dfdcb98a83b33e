task<void> f() {
  int sum = co_await first() + co_await second();
}
