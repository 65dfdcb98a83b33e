task<void> f(bool c) {
  int sum = c ? co_await first() : 0;
}
