"""Functions that are guarded while profilers are at work can still be compared, copied and sent away."""

from __future__ import annotations

from tests.lab import Lab

PROGRAM = """
import copy, os, pickle, posix, sys
from concurrent.futures import ProcessPoolExecutor

if __name__ == "__main__":
    for each in (os.execv, os.close, os.dup2, os.closerange, sys.setprofile):
        print(each.__name__, each.__module__, copy.copy(each) == each, copy.deepcopy([each]) == [each],
              pickle.loads(pickle.dumps(each)) == each)
    print({posix.close: 1}.get(os.close), os.close == posix.close)
    with ProcessPoolExecutor(1) as pool:
        print(pool.submit(os.dup2, 0, 77).result())
"""


def test_they_travel_as_the_originals_do(lab: Lab) -> None:
    """What a program prints of them is the same with and without a recording."""
    script = lab.script(PROGRAM)
    plain = lab.start_python(script.name)
    recorded = lab.start("-q", "-p", "memray", script.name)
    assert plain.communicate(timeout=60)[0] == recorded.communicate(timeout=60)[0]
    assert (plain.returncode, recorded.returncode) == (0, 0)
