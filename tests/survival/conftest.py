"""Hold the program that the tests of survival kill."""

from __future__ import annotations

PROGRAM = """
import os, sys, time

def allocate(n):
    return [bytearray(100_000) for _ in range(n)]

def spin(seconds):
    end, x = time.perf_counter() + seconds, 0
    while time.perf_counter() < end:
        x = (x * 31 + 7) % 1000003

{extra}
print("ready", os.getpid(), flush=True)
kept = []
while True:
    kept.append(allocate(5))
    spin(0.05)
"""
