task<void> f() {
  CHECK(co_await ready());
}
