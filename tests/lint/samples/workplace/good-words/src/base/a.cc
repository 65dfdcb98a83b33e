// The shared design of a framework/worker; ./work/x is a relative path.
