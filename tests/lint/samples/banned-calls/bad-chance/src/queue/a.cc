int chance() { return std::rand(); }
