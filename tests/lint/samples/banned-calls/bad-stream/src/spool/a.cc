void read_file() { std::ifstream file("Queue/new/a"); }
