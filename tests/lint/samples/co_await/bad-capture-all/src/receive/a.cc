void f(int x) {
  auto run = [&](int y) -> task<int> {
    co_return x + y;
  };
}
