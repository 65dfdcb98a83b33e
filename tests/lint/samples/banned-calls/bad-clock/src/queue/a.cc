auto when() { return std::chrono::steady_clock::now(); }
