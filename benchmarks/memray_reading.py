"""Compare reading a memray capture with the two bare passes over it that memray itself needs.

    python benchmarks/memray_reading.py [--megabytes 50] [--rounds 3]

It records a program of some 6,000 different stacks until the capture is as large as asked for, then, in
processes of their own and in turn: two bare passes, and `MemrayProfiler.read`. It prints CPU seconds
(the least of the rounds), their ratio, and the peak RSS of the process. The bar is a ratio of 1.3, and
250 MB of memory up to a capture of 100 MB, 400 MB above; the exit code is 1 when it is missed.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

RECORD = """
import os, random, sys
from pathlib import Path
from profilerkit.model import ProcessIdentity, Subject, Target
from profilerkit_memray.profiler import MemrayProfiler

folder, limit_bytes = Path(sys.argv[1]), int(sys.argv[2])
source = "\\n".join(
    f"def f{i}(n, way):\\n    return f[({i} * 7 + n * way) % 300](n - 1, way) if n else allocate()"
    for i in range(300)
)
exec(compile(source, "/app/churn.py", "exec"))
f = [globals()[f"f{i}"] for i in range(300)]
kept = []

def allocate():
    kept.append(bytearray(random.randrange(600, 3000)))
    if len(kept) > 40_000:
        del kept[random.randrange(len(kept))]
    for _ in range(100):
        bytes(bytearray(1000))

random.seed(1)
profiler = MemrayProfiler()
profiler.start(folder, Target(ProcessIdentity(os.getpid(), 0), Subject("script"), 0))
while os.stat(folder / "memray.bin").st_size < limit_bytes:
    for _ in range(1000):
        f[0](random.randrange(5, 25), random.randrange(300))
profiler.stop()
"""

BARE = """
import memray
with memray.FileReader(sys.argv[1] + "/memray.bin") as reader:
    found = sum(1 for _ in reader.get_high_watermark_allocation_records(merge_threads=True))
"""

READ = """
from pathlib import Path
from profilerkit.interfaces import CaptureFiles
from profilerkit_memray.profiler import MemrayProfiler
import memray
found = len(MemrayProfiler.read(CaptureFiles(Path(sys.argv[1]))).stacks.parents)
"""

MEASURE = """
import json, resource, sys, time
import memray, profilerkit_memray.profiler
began = time.process_time()
{work}
peak_rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps([time.process_time() - began, peak_rss, found]))
"""


def measure(work: str, folder: Path) -> tuple[float, float, int]:
    """Return CPU seconds, peak RSS in MiB, and what was found, of a fresh process."""
    code = MEASURE.format(work=work)
    result = subprocess.run([sys.executable, "-c", code, folder], check=True, capture_output=True, text=True)
    seconds, rss, found = json.loads(result.stdout)
    return seconds, rss, found


BAR_RATIO = 1.3


def bar_megabytes(capture_megabytes: float) -> float:
    """Return what the reader of a capture of this size may use."""
    return 250.0 if capture_megabytes <= 100 else 400.0


def main() -> int:
    """Record, measure, print a table, and return 1 if the bar was missed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--megabytes", type=float, default=50)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        limit = str(int(arguments.megabytes * 1e6))
        subprocess.run([sys.executable, "-c", RECORD, folder, limit], check=True)
        size = (folder / "memray.bin").stat().st_size / 1e6
        rounds = [(measure(BARE, folder), measure(READ, folder)) for _ in range(arguments.rounds)]
    bare, read = (min(each[index] for each in rounds) for index in (0, 1))
    print(f"capture of {size:.0f} MB, {bare[2]:,} records at the peak, {read[2]:,} nodes")
    print(f"two bare passes  {bare[0]:7.2f} CPU s  {bare[1]:6.0f} MiB peak RSS")
    print(f"read             {read[0]:7.2f} CPU s  {read[1]:6.0f} MiB peak RSS")
    print(f"ratio            {read[0] / bare[0]:7.2f}")
    return int(read[0] / bare[0] > BAR_RATIO or read[1] * 1.048576 > bar_megabytes(size))


if __name__ == "__main__":
    sys.exit(main())
