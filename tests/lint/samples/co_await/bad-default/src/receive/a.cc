task<int> read(int socket, int limit = 3);
