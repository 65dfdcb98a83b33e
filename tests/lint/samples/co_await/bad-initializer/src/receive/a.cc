task<void> f() {
  Pair pair{co_await first(), 2};
}
