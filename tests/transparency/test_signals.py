"""Signals, alarms and timers belong to the program."""

from __future__ import annotations

import signal
import subprocess
import time

import pytest

from tests.support.twins import ALL, Twins, needs_root

PROGRAMS = {
    "handlers are the default": "import signal\n"  # but for one, which cpu uses
    "print([(each.name, signal.getsignal(each)) for each in sorted(signal.valid_signals())\n"
    "    if isinstance(each, signal.Signals) and each.name != 'SIGURG'])\n"
    "print(signal.pthread_sigmask(signal.SIG_BLOCK, []))\n"
    "print(signal.getitimer(signal.ITIMER_REAL), signal.getitimer(signal.ITIMER_PROF))\n",
    "SIGPROF and its timer": "import signal, time\nticks = []\n"
    "signal.signal(signal.SIGPROF, lambda *_: ticks.append(1))\n"
    "signal.setitimer(signal.ITIMER_PROF, 0.01, 0.01)\nend = time.process_time() + 0.5\n"
    "while time.process_time() < end: pass\nsignal.setitimer(signal.ITIMER_PROF, 0)\n"
    "print(20 < len(ticks) < 80 or len(ticks))\n",
    "SIGPROF unhandled": "import signal, time\nsignal.setitimer(signal.ITIMER_PROF, 0.05)\n"
    "while True: pass\n",
    "SIGALRM that interrupts": "import signal, time\ndef late(*_): raise TimeoutError('late')\n"
    "signal.signal(signal.SIGALRM, late)\nsignal.alarm(1)\ntime.sleep(30)\n",
    "alarm unhandled": "import signal, time\nsignal.alarm(1)\ntime.sleep(30)\n",
    "alarm at the end": "import atexit, signal, time\n"
    "signal.signal(signal.SIGALRM, lambda *_: print('rang', flush=True))\n"
    "signal.setitimer(signal.ITIMER_REAL, 0.2)\natexit.register(time.sleep, 0.4)\n",
    "SIGURG": "import os, signal, time\ngot = []\n"
    "signal.signal(signal.SIGURG, lambda *_: got.append(1))\nfor _ in range(3):\n"
    "    os.kill(os.getpid(), signal.SIGURG)\n    time.sleep(0.05)\n"
    "end = time.process_time() + 0.3\nwhile time.process_time() < end: pass\nprint(len(got))\n",
    "SIGURG ignored": "import os, signal\nsignal.signal(signal.SIGURG, signal.SIG_IGN)\n"
    "os.kill(os.getpid(), signal.SIGURG)\nprint(signal.getsignal(signal.SIGURG))\n",
    "SIGCHLD": "import os, signal, subprocess, time\ngot = []\n"
    "signal.signal(signal.SIGCHLD, lambda *_: got.append(1))\n"
    "for _ in range(3):\n    subprocess.run(['true'])\n    time.sleep(0.05)\nprint(len(got))\n",
    "SIGCHLD ignored": "import os, signal, subprocess\nsignal.signal(signal.SIGCHLD, signal.SIG_IGN)\n"
    "pid = os.fork()\nif pid == 0: os._exit(3)\ntry: print(os.waitpid(pid, 0))\n"
    "except ChildProcessError as error: print(error)\n",
    "wakeup descriptor": "import os, signal, socket\na, b = socket.socketpair()\nb.setblocking(False)\n"
    "print(signal.set_wakeup_fd(b.fileno()))\nsignal.signal(10, lambda *_: None)\n"
    "os.kill(os.getpid(), 10)\nprint(a.recv(9))\nprint(signal.set_wakeup_fd(-1) == b.fileno())\n",
    "sigwait in a thread": "import os, signal, threading\n"
    "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])\n"
    "thread = threading.Thread(target=lambda: print(signal.sigwait([signal.SIGTERM])))\n"
    "thread.start()\nos.kill(os.getpid(), signal.SIGTERM)\nthread.join()\n",
    "mask is inherited": "import os, signal, subprocess\n"
    "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])\n"
    "os.system(\"grep -E 'Sig(Blk|Ign|Cgt)' /proc/self/status\")\n"
    "subprocess.run(['grep', '-E', 'Sig(Blk|Ign)', '/proc/self/status'])\n",
    "interrupted calls": "import os, signal, time\n"
    "signal.signal(signal.SIGUSR1, lambda *_: print('between'))\nr, w = os.pipe()\n"
    "if os.fork() == 0:\n    time.sleep(0.3)\n    os.kill(os.getppid(), signal.SIGUSR1)\n"
    "    time.sleep(0.3)\n    os.write(w, b'x')\n    os._exit(0)\nprint(os.read(r, 1))\n",
    "faulthandler": "import faulthandler, signal, os\n"
    "faulthandler.register(signal.SIGUSR1, all_threads=False)\nfaulthandler.enable()\n"
    "faulthandler.cancel_dump_traceback_later()\nprint(faulthandler.is_enabled())\n",
    "signal.pause": "import os, signal\nsignal.signal(15, lambda *_: print('woken'))\n"
    "if os.fork() == 0:\n    import time; time.sleep(0.4)\n    os.kill(os.getppid(), 15)\n    os._exit(0)\n"
    "signal.pause()\n",
}


@pytest.mark.parametrize("source", PROGRAMS.values(), ids=PROGRAMS)
def test_program_with_signals(twins: Twins, source: str) -> None:
    """Handlers, masks, timers and their effects are those of plain Python."""
    twins.assert_same_source(source)


@pytest.mark.parametrize(
    "number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1]
)
def test_signal_from_outside(twins: Twins, number: signal.Signals) -> None:
    """A signal sent to the command is the program's: unhandled it ends it, handled it is handled."""
    unhandled = "import time\nprint('ready', flush=True)\ntime.sleep(60)\n"
    handled = "import signal, sys\nsignal.signal({}, lambda n, _: sys.exit(f'got {{n}}'))\n" + unhandled
    for source in (unhandled, handled.format(int(number))):
        endings = []
        name = twins.write(source)
        for command in (twins.plain_command(name), twins.recorded_command(name)):
            with subprocess.Popen(
                command,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=twins.lab.folder,
                env=twins.lab.environment,
            ) as process:
                assert process.stdout is not None
                process.stdout.readline()
                time.sleep(0.3)  # until it sleeps, on the same line both times
                process.send_signal(number)
                stdout, stderr = process.communicate(timeout=60)
            endings.append((process.returncode, stdout, stderr))
        assert endings[0] == endings[1]


@pytest.mark.skipif("cpu" not in ALL, reason="cpu is not here")
def test_recording_says_that_the_signal_was_taken(twins: Twins) -> None:
    """Where the program takes the sampler's signal, the cpu capture says what is missing."""
    twins.recorded(twins.write(PROGRAMS["SIGURG"]))
    found = twins.show()
    assert "SIGURG" in str([found["captures"], found["warnings"], found["evidence"]]), found["captures"]


CONTAINER = (
    "import ctypes, os, sys\nctypes.CDLL(None).prctl(36, 1, 0, 0, 0)\nos.execv(sys.argv[1], sys.argv[1:])\n"
)


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("print(open('/proc/self/fd/9').read())", 0),
        ("import sys; sys.exit(5)", 5),
        ("1 / 0", 1),
        ("import os, time; os.kill(os.getpid(), 15); time.sleep(9)", -15),
        (
            "import os\nif os.fork() == 0: os._exit(3)\nprint(os.wait()[1] >> 8)\n"
            "try: os.wait()\nexcept ChildProcessError: print('no more')",
            0,
        ),
    ],
)
def test_where_orphans_become_ours(twins: Twins, source: str, code: int) -> None:
    """Under an adopter of orphans the command stays as a small init, and nothing else changes."""
    init, name = twins.write(CONTAINER, "init.py"), twins.write(source + "\n")
    outputs = []
    for command in (twins.plain_command(name), twins.recorded_command(name)):
        shell = " ".join(["exec", command[0], init, *command, "9<<<inherited"])
        outputs.append(twins._run(["bash", "-c", shell]))
    assert outputs[0] == outputs[1]
    assert outputs[0].code == code
    assert twins.show()["status"] in ("complete", "interrupted")


def test_init_passes_signals_on(twins: Twins) -> None:
    """The small init forwards what is sent to it, once, and the pipe ends with the program."""
    init = twins.write(CONTAINER, "init.py")
    name = twins.write("""
import signal, time
got = []
def note(number, frame):
    got.append(number)
    print(number, flush=True)
signal.signal(signal.SIGTERM, note)
signal.signal(signal.SIGUSR2, note)
print("ready", flush=True)
end = time.monotonic() + 60
while signal.SIGUSR2 not in got and time.monotonic() < end:
    time.sleep(0.05)
print(got)
""")
    command = twins.recorded_command(name)
    with subprocess.Popen(
        [command[0], init, *command],
        stdout=subprocess.PIPE,
        text=True,
        cwd=twins.lab.folder,
        env=twins.lab.environment,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)
        assert process.stdout.readline() == "15\n"
        process.send_signal(signal.SIGUSR2)
        assert process.stdout.read() == "12\n[15, 12]\n"
        assert process.wait(60) == 0


@needs_root
def test_as_process_one(twins: Twins) -> None:
    """As PID 1 of a container the program's exit code is the container's."""
    for source, code in (("print('ran')", 0), ("import sys; sys.exit(3)", 3)):
        command = twins.recorded_command(twins.write(source + "\n"))
        ran = twins._run(["unshare", "--pid", "--fork", "--mount-proc", *command])
        assert (ran.code, ran.stderr) == (code, "")
    assert twins.show()["status"] == "complete"
