// The shared design of a framework and its worker: plain words, no paths.
