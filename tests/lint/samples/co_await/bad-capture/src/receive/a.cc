void f(int x) {
  spawn([x]() -> task<void> { co_await wait(x); });
}
