"""Run the user's program as `python` itself would, inside a session; `profilerkit run` executes this file.

    python launch.py DESCRIPTOR script|module|code TARGET [ARGS…]

The descriptor holds the plan. Nothing is imported here that the program could not import itself.
"""

from __future__ import annotations

import os
import sys

_HERE = os.path.dirname(os.path.abspath(__file__))
if __name__ == "__main__" and sys.path and os.path.abspath(sys.path[0]) == _HERE:
    del sys.path[0]  # this folder: its modules are not top-level ones

from typing import Any


def prepare() -> tuple[Any, dict[str, Any], _Ending]:
    """Start the session and make everything look as `python` leaves it; return what is to be executed."""
    descriptor, mode, target, *arguments = sys.argv[1:]
    session, quiet = _start(int(descriptor))
    namespace = _fresh_main()
    # For what the program sees there is no launcher.
    flags = sys.orig_argv[1 : sys.orig_argv.index(sys.argv[0])]
    option = {"script": [], "module": ["-m"], "code": ["-c"]}[mode]
    sys.orig_argv[:] = [sys.orig_argv[0], *flags, *option, target, *arguments]
    sys.argv[:] = [{"script": target, "module": "-m", "code": "-c"}[mode], *arguments]
    ending = _Ending(session, quiet)
    import atexit

    atexit.register(ending.finish)  # the first to be registered is the last to run
    return _Program(mode, target, namespace), namespace, ending


def _start(descriptor: int) -> tuple[Any, bool]:
    import json

    with os.fdopen(descriptor, "rb") as file:
        plan = json.loads(file.read())
    try:
        from profilerkit.session import Session
    except ImportError:  # run from a checkout that only the caller's path had
        sys.path.append(os.path.dirname(_HERE))
        from profilerkit.session import Session
    from profilerkit.errors import ProfilerKitError

    session = Session(plan)
    try:
        session.start()
    except ProfilerKitError as error:
        _say(str(error))
        sys.exit(error.exit_code)
    return session, bool(plan.get("quiet"))


def _fresh_main() -> dict[str, Any]:
    """Put an empty `__main__` in the place of this file's and return its namespace."""
    import types

    module = types.ModuleType("__main__")
    module.__dict__.update(__builtins__=__builtins__, __annotations__={})
    sys.modules["__main__"] = module
    return module.__dict__


class _Program:
    """The user's program: `compile` may fail as the program's own first step would."""

    def __init__(self, mode: str, target: str, namespace: dict[str, Any]) -> None:
        self._mode = mode
        self._target = target
        self._namespace = namespace

    def compile(self) -> Any:
        """Return the code to execute in the namespace; what runs as a module returns code that does."""
        if self._mode == "module":
            _path_first(os.getcwd())
            return self._module(self._target, alter_argv=True)
        if self._mode == "code":
            _path_first("")
            return _code(self._target)
        path = os.path.abspath(self._target)
        if os.path.isdir(path) or _is_archive(path):
            _path_first(path)
            return self._module("__main__", alter_argv=False)
        _path_first(os.path.dirname(os.path.realpath(self._target)))
        from importlib.machinery import SourceFileLoader

        self._namespace.update(
            __file__=path, __cached__=None, __loader__=SourceFileLoader("__main__", path), __spec__=None
        )
        with open(path, "rb") as file:
            return compile(file.read(), path, "exec", dont_inherit=True)

    @staticmethod
    def _module(name: str, *, alter_argv: bool) -> Any:
        import runpy

        return lambda: runpy._run_module_as_main(name, alter_argv)  # type: ignore[attr-defined]


def _is_archive(path: str) -> bool:
    with open(path, "rb") as file:
        start = file.read(4)
    if start != b"PK\x03\x04" and not path.endswith((".zip", ".pyz")):
        return False
    import zipfile

    return zipfile.is_zipfile(path)


def _code(text: str) -> Any:
    if sys.version_info >= (3, 13):
        import linecache

        # As `python -c` does since 3.13: tracebacks show the lines.
        code = compile(text, "<string>", "exec", dont_inherit=True)
        register = getattr(linecache, "_register_code", None)
        if register is not None:
            register(code, text, "<string>")
        return code
    return compile(text, "<string>", "exec", dont_inherit=True)


def _path_first(folder: str) -> None:
    """Put the program's folder first, unless Python was told not to (-P, -I, PYTHONSAFEPATH)."""
    if not getattr(sys.flags, "safe_path", False) and not sys.flags.isolated:
        sys.path.insert(0, folder)


def _say(text: str) -> None:
    """Write one line to the standard error, if there still is one."""
    try:
        sys.__stderr__.write(f"profilerkit: {text}\n")  # type: ignore[union-attr]
        sys.__stderr__.flush()  # type: ignore[union-attr]
    except (OSError, ValueError, AttributeError):
        pass


class _Ending:
    """What becomes of the program, told to the session at the very end."""

    def __init__(self, session: Any, quiet: bool) -> None:
        self._session = session
        self._quiet = quiet
        self._outcome = "success"
        self._exit_status: int | None = 0
        self._error: str | None = None

    def ended_by(self, error: BaseException) -> None:
        """Note how the program ended, and have its traceback begin with its own frames."""
        from profilerkit.session import outcome_of

        self._outcome = outcome_of(error)
        if isinstance(error, SystemExit):
            code = error.code
            self._exit_status = 0 if code is None else code & 0xFF if isinstance(code, int) else 1
            return
        self._error = type(error).__name__
        self._exit_status = -2 if isinstance(error, KeyboardInterrupt) else 1
        hook = sys.excepthook

        def without_us(kind: Any, value: Any, trace: Any) -> None:
            sys.excepthook = hook
            while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
                trace = trace.tb_next
            value = value.with_traceback(trace)
            sys.last_traceback = trace
            hook(kind, value, trace)

        sys.excepthook = without_us

    def finish(self) -> None:
        """Stop the session; the program's own exit handlers have run."""
        session = self._session
        if not session.active:
            return
        session.stop(self._outcome, exit_status=self._exit_status, error=self._error)
        if not self._quiet:
            _say(f"recorded {session.id}. See it: profilerkit show {session.id}")


if __name__ == "__main__":
    _program, _namespace, _ending = prepare()
    try:
        _compiled = _program.compile()
        # Called from here, so that the program's stack begins as little deeper as can be.
        if callable(_compiled):
            _compiled()
        else:
            exec(_compiled, _namespace)
    except BaseException as _error:
        _ending.ended_by(_error)
        raise
