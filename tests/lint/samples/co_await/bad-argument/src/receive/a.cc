task<void> f() {
  use(co_await ready());
}
