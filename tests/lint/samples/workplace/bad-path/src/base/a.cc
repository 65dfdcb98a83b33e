// see /work/main/src
