int open_file(const char* path) { return ::open(path, O_RDONLY); }
