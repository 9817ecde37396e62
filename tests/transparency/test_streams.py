"""Standard input, output and error are the program's alone, to the byte and to the end."""

from __future__ import annotations

import os
from collections.abc import Sequence

import pytest

from tests.support.twins import ALL, Ran, Twins, assert_equal


def through_shell(twins: Twins, script: str, *arguments: str, options: Sequence[str] = ("-q",)) -> Ran:
    """Run a shell script both ways, with the command in it for `RUN`; compare, and return the recorded."""

    def shell(command: Sequence[str]) -> Ran:
        words = " ".join("'" + each.replace("'", "'\\''") + "'" for each in command)
        return twins._run(["bash", "-c", script.replace("RUN", words)])

    plain = shell(twins.plain_command(*arguments))
    recorded = shell(twins.recorded_command(*arguments, options=options))
    if options == ("-q",):
        assert_equal(plain, recorded)
    return recorded


def test_input_is_read_by_the_program_only(twins: Twins) -> None:
    """Not a byte of the input is lost, and what the program leaves is there for the next."""
    name = twins.write(
        "import os\nprint(os.read(0, 5))\nos.lseek(0, 7, 0) if os.path.isfile('/dev/stdin') else 0"
    )
    (twins.lab.folder / "input").write_text("0123456789abcdef")
    through_shell(twins, "(RUN; cat) < input", name)
    twins.assert_same_source("import sys\nprint(len(sys.stdin.buffer.read()))", stdin=os.urandom(300_000))
    twins.assert_same_source("print(input('ask> '), input())", stdin=b"one\ntwo\nthree\n")
    twins.assert_same_source("input()", stdin=b"")


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_closed_streams_stay_closed(twins: Twins, closed: str) -> None:
    """Nothing of ours takes the place of a standard stream that is closed."""
    name = twins.write("""
import os, sys
def kind(number):
    try:
        return os.fstat(number).st_mode
    except OSError as error:
        return error.errno
with open("answer", "w") as file:
    here = file.fileno()
    print([each is None for each in (sys.stdin, sys.stdout, sys.stderr)], here, file=file)
    print([kind(each) for each in (0, 1, 2) if each != here], file=file)
print("written")
try:
    os.write(1, b"to nobody")
except OSError as error:
    open("answer", "a").write(str(error))
1 / 0
""")
    through_shell(twins, f"RUN {closed}; echo $?; cat answer", name)
    twins.show()


def test_descriptors_have_the_numbers_they_always_had(twins: Twins) -> None:
    """The program's first file has the lowest free number; what was inherited is still there."""
    twins.profilers = [each for each in ALL if each != "cpu"]  # it takes one now and then, to write
    name = twins.write("""
import os, socket, tempfile
print(open("x", "w").fileno(), os.dup(1), socket.socket().fileno(), os.pipe(), os.read(9, 3))
with tempfile.TemporaryFile() as file:
    print(file.fileno())
os.execvp("sh", ["sh", "-c", "ls /proc/self/fd | wc -l"])
""")
    through_shell(twins, "RUN 9<<<abc", name)


def test_pipe_ends_with_the_program(twins: Twins) -> None:
    """`run x.py | cat` is over when the program is, not when the recording is uploaded."""
    name = twins.write("import sys\nprint('end')\nprint('words', file=sys.stderr)\n")
    twins.lab.environment["PROFILERKIT_STORE"] = "s3://127.0.0.1.invalid/none"
    ran = through_shell(twins, "RUN 2>&1 | cat; echo ${PIPESTATUS[0]}", name)
    assert ran.stdout == "end\nwords\n0\n"
    assert twins.lab.spools(), "the upload was over too soon to show anything"


def test_daemon_keeps_no_pipe_of_ours(twins: Twins) -> None:
    """A program that leaves a daemon with closed descriptors ends its pipe at once."""
    name = twins.write("""
import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        null = os.open(os.devnull, os.O_RDWR)
        for each in (0, 1, 2):
            os.dup2(null, each)
        while not os.path.exists("enough"):
            time.sleep(0.1)
        open(f"ended-{os.getpid()}", "w").close()
    os._exit(0)
os.wait()
print("left a daemon")
""")
    ran = through_shell(twins, "RUN | cat; ls ended-* 2>&1", name)
    assert "left a daemon" in ran.stdout, ran
    assert "No such file" in ran.stdout, "the pipe ended with the daemon"
    (twins.lab.folder / "enough").touch()
    twins.lab.wait_until(lambda: len(list(twins.lab.folder.glob("ended-*"))) == 2)


def test_reader_that_goes_away(twins: Twins) -> None:
    """`| head -1` ends the program as it always does, by an error or by SIGPIPE."""
    for prepare in ("", "import signal; signal.signal(signal.SIGPIPE, signal.SIG_DFL)\n"):
        name = twins.write(prepare + "for number in range(100_000): print(number)\n")
        through_shell(twins, "RUN | head -1; echo ${PIPESTATUS[0]}", name)


def test_our_line_to_a_reader_that_is_gone(twins: Twins) -> None:
    """Our own last line never ends the program by SIGPIPE, nor makes an error of it."""
    twins.profilers = ["resources"]
    name = twins.write("""
import os, signal, sys, time
signal.signal(signal.SIGPIPE, signal.SIG_DFL)
print("one line", flush=True)
time.sleep(0.5)
""")
    ran = through_shell(twins, "RUN 2>&1 | head -1; echo ${PIPESTATUS[0]}", name, options=())
    assert ran.stdout == "one line\n0\n"


def test_our_line_never_lands_in_a_file_of_the_program(twins: Twins) -> None:
    """Where descriptor 2 has become something else, nothing of ours is written there."""
    twins.profilers = ["resources"]
    name = twins.write("""
import os
os.close(2)
os.open("data", os.O_WRONLY | os.O_CREAT)
os.write(2, b"mine")
""")
    assert twins.recorded(name, options=()).code == 0
    assert (twins.lab.folder / "data").read_bytes() == b"mine"


def test_buffering_and_order(twins: Twins) -> None:
    """Interleaved output of program and children comes in the same order."""
    name = twins.write("""
import os, subprocess, sys
print("buffered")
os.write(1, b"at once\\n")
subprocess.run(["echo", "child"])
print("error", file=sys.stderr)
sys.stdout.write("no newline")
""")
    through_shell(twins, "RUN 2>&1", name)
    through_shell(twins, "RUN 2>&1 | cat", name)
    twins.assert_same(name, interpreter=["-u"])


def test_terminal(twins: Twins) -> None:
    """On a terminal the program is on that terminal, in its foreground, with its own line discipline."""
    name = twins.write("""
import os, sys
print(sys.stdin.isatty(), sys.stdout.isatty(), os.ttyname(0) == os.ttyname(1))
print(os.tcgetpgrp(0) == os.getpgrp())
print(os.getsid(0) == os.getpid(), os.get_terminal_size(), sys.stdout.line_buffering)
print(input("say: "))
""")
    outputs = []
    for command in (twins.plain_command(name), twins.recorded_command(name)):
        words = " ".join(command)
        ran = twins._run(["script", "-qec", f"stty cols 99; {words}", "/dev/null"], stdin=b"word\n")
        outputs.append(ran)
    assert_equal(*outputs)
    assert "True True True" in outputs[0].stdout
