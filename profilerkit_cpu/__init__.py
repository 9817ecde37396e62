"""Record where wall and CPU time go, from inside the process, without a profile hook."""
