task<void> f() {
  if (co_await ready()) {
    stop();
  }
}
