void f(std::coroutine_handle<> handle) { handle.destroy(); }
