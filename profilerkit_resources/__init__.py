"""Record memory, CPU, I/O and threads of a process tree from outside; a backend of profilerkit."""
