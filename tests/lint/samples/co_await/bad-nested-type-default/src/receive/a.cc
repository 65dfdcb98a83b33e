task<result<std::vector<int>>> Reader::read(int socket, std::string name = std::string());
