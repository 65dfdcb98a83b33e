long when() { return time(nullptr); }
