"""A program that does not compile is refused in exactly Python's words."""

from __future__ import annotations

import pytest

from tests.support.twins import Twins

SOURCES = {
    "invalid syntax": b"x = 1\ndef f(:\n",
    "no newline at the end": b"def f(:",
    "unterminated string": b'x = """abc\n',
    "unclosed bracket": b"foo(1,\n",
    "tabs and spaces": b"if 1:\n\tx=1\n        y=2\n",
    "unindent": b"if 1:\n    x=1\n  y=2\n",
    "indentation": b"def f():\nx=1\n",
    "return outside": b"return 3\n",
    "unknown future": b"from __future__ import nope\n",
    "curly quotes": "x = “a”\n".encode(),
    "windows line ends": b"x=1\r\ndef f(:\r\n",
    "wide characters": "é = 1; f(é é)\n".encode(),
    "latin-1": b"# -*- coding: latin-1 -*-\ndef f(: '\xe9'\n",
    "warning before it": b'x = "\\d"\ndef f(:\n',
    "not UTF-8": b'# ok\nx = "\xe9"\n',
    "unknown encoding": b"# -*- coding: nosuch -*-\nx=1\n",
    "mark against cookie": b"\xef\xbb\xbf# -*- coding: latin-1 -*-\nx=1\n",
    "null byte": b"print(1)\nx=1\0\nprint(2)\n",
    "too deep": b"x = " + b"(" * 300 + b"\n",
}
GOOD = {
    "latin-1": b'# -*- coding: latin-1 -*-\nprint(ascii("\xe9"))\nraise ValueError("\xe9\xff")\n',
    "mark": b"\xef\xbb\xbfprint(1)\n",
    "form feed": b"\x0cprint(1)\n",
    "old line ends": b"print(1)\rprint(2)\r",
    "no newline": b"print(1)",
    "empty": b"",
    "only a comment": b"# nothing",
    "warning": b'print("\\d", 1 is 1)\nassert (1, "x")\n',
    "docstring": b'"""What it does."""\nprint(__doc__)\n',
    "annotations": b"x: int = 1\nprint(__annotations__)\n",
    "future": b"from __future__ import annotations\nx: nosuch = 1\nprint(x)\n",
    "star import": b"from os.path import *\nprint(join('a', 'b'))\n",
    "exec and eval": b"exec('y = 1')\nprint(eval('y + 1'), 'y' in vars())\n",
    "comprehension": b"n = 2\nprint([n * x for x in range(n)], (lambda: n)())\n",
    "global": b"def f():\n    global g\n    g = 1\nf()\nprint(g, __name__)\n",
}


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_refused_in_pythons_words(twins: Twins, source: bytes) -> None:
    """Message, position, marks and exit code are those of plain Python."""
    twins.assert_same_source(source)


@pytest.mark.parametrize("source", GOOD.values(), ids=GOOD)
def test_unusual_but_right(twins: Twins, source: bytes) -> None:
    """What Python compiles is compiled alike, with its warnings."""
    twins.assert_same_source(source)


@pytest.mark.parametrize("source", ["def f(:", "1 / 0", "x = '\\d'", "import sys; sys.exit(3)"])
def test_code_on_the_command_line(twins: Twins, source: str) -> None:
    """The same with -c, whose tracebacks show their lines from Python 3.13 on."""
    twins.assert_same("-c", source)


def test_syntax_error_in_an_import(twins: Twins) -> None:
    """A module that does not compile is named with the program's frames alone."""
    twins.write("def f(:\n", "broken.py")
    twins.assert_same_source("def load():\n    import broken\nload()\n")


def test_recording_of_what_python_could_not_decode(twins: Twins) -> None:
    """The recording says that such a program was not recorded."""
    twins.profilers = ["resources"]
    ran = twins.recorded(twins.write(b'x = "\xe9"\n'))
    assert ran.code == 1
    assert "Python could not decode the program's source: not recorded" in twins.show()["warnings"]
