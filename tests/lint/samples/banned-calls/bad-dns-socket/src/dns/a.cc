int probe() { return socket(AF_INET, SOCK_DGRAM, 0); }
