// if (co_await x) in a comment is fine, as is "use(co_await x)" in a string.
task<int> f(Reactor& reactor, int kind) {
  co_await wait();
  (void)co_await wait();
  const result<int> value = co_await reactor.read(make(1, {2, 3}), [](int x) { return x == 4; });
  if (!value) {
    co_return 0;
  } else {
    co_await reactor.close(*value);
  }
  switch (kind) {
    case Kind::first:
      co_await wait();
      break;
    default:
      co_await wait();
  }
  for (int i = 0; i < 3; ++i) {
    member_.value = co_await wait();
    values[i] = co_await wait();
  }
  do {
    co_await wait();
  } while (kind != 0);
  spawn([](Reactor& r, int limit) -> task<void> { co_await r.wait(limit); }(reactor, 3));
  run([&reactor] { return [](Reactor& r) -> task<void> { co_await r.wait(1); }(reactor); });
  co_return co_await last();
}
task<int> read(int socket, int limit);
void plain(int limit = 3);
