"""Run the user's program as `python` itself would, inside a session; `profilerkit run` executes this file.

    python launch.py DESCRIPTOR script|module|code TARGET [ARGS…]

The descriptor holds the plan. Nothing is imported here that the program could not import itself.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_BEFORE = frozenset(sys.modules)
"""What Python has imported for any program."""
_HERE = os.path.dirname(os.path.abspath(__file__))
if __name__ == "__main__" and sys.path and os.path.abspath(sys.path[0]) == _HERE:
    del sys.path[0]  # this folder: its modules are not top-level ones

import _frozen_importlib_external as importer
import atexit
import functools
import signal
from types import CodeType, FunctionType


def prepare() -> tuple[_Program, _Ending]:
    """Start the session and make everything look as `python` leaves it; return what is to be executed."""
    descriptor, mode, target, *arguments = sys.argv[1:]
    session, quiet, hush = _start(int(descriptor))
    namespace = _fresh_main(mode)
    # For what the program sees there is no launcher.
    flags = sys.orig_argv[1 : sys.orig_argv.index(sys.argv[0])]
    option = {"script": [], "module": ["-m"], "code": ["-c"]}[mode]
    sys.orig_argv[:] = [sys.orig_argv[0], *flags, *option, target, *arguments]
    sys.argv[:] = [{"script": target, "module": "-m", "code": "-c"}[mode], *arguments]
    ending = _Ending(session, quiet, hush)
    # The first to be registered is the last to run.
    atexit.register(ending.finish)
    atexit.register(hush.off())
    return _Program(session, mode, target, namespace), ending


def _start(descriptor: int) -> tuple[Any, bool, Any]:
    import json

    with os.fdopen(descriptor, "rb") as file:
        plan = json.loads(file.read())
    # This very package, and the profilers as the command line found them: it may have been run from a
    # checkout that is on nobody else's path.
    folders = [each for each in plan["sys_path"] if each not in sys.path]
    sys.path.insert(0, os.path.dirname(_HERE))
    import profilerkit  # noqa: F401 - found here, its modules are too

    del sys.path[0]
    sys.path += folders
    from profilerkit.errors import ProfilerKitError
    from profilerkit.quiet import Hush
    from profilerkit.session import Session

    hush = Hush()  # before the functions that it uses are guarded
    session = Session(plan)
    try:
        session.start()
    except ProfilerKitError as error:
        _say(str(error))
        sys.exit(error.exit_code)
    if session.problem is not None:
        _say(f"not recorded: {session.problem}")
    if folders:
        del sys.path[-len(folders) :]
    return session, bool(plan.get("quiet")), hush


def _fresh_main(mode: str) -> dict[str, Any]:
    """Put a `__main__` as `python` makes it in the place of this file's and return its namespace."""
    module = type(sys)("__main__")
    names = vars(module)
    for name, value in vars(sys.modules["__main__"]).items():  # what this version of Python puts there
        if name in ("__annotations__", "__builtins__") or (
            name in ("__file__", "__cached__") and mode == "script"
        ):
            names[name] = {} if name == "__annotations__" else value
    if mode != "script":
        import _frozen_importlib

        names["__loader__"] = _frozen_importlib.BuiltinImporter
    sys.modules["__main__"] = module
    return names


class _Program:
    """The user's program: `compile` may fail as the program's own first step would."""

    def __init__(self, session: Any, mode: str, target: str, namespace: dict[str, Any]) -> None:
        self._session = session
        self._mode = mode
        self._target = target
        self._namespace = namespace

    def compile(self) -> Any:
        """Return what runs the program when it is called, with no frame of ours in between."""
        if self._mode == "module":
            try:
                _path_first(os.getcwd())
            except OSError:  # the working folder is gone: Python does without
                pass
            return self._module(self._target, alter_argv=True)
        if self._mode == "code":
            _path_first("")
            return self._function(_code(self._target))
        path = self._target if os.path.isabs(self._target) else os.path.join(os.getcwd(), self._target)
        if _has_importer(path):  # a folder or an archive
            sys.path.insert(0, path)
            return self._module("__main__", alter_argv=False)
        _path_first(os.path.dirname(os.path.realpath(self._target)))
        with open(path, "rb") as file:
            data = file.read()
        magic = importer.MAGIC_NUMBER
        self._namespace.update(__file__=path)
        if path.endswith(".pyc") or data[:2] == magic[:2]:
            self._namespace.update(__loader__=importer.SourcelessFileLoader("__main__", path))
            return self._function(_compiled_code(data, magic))
        self._namespace.update(__loader__=importer.SourceFileLoader("__main__", path))
        try:
            return self._function(compile(data, path, "exec", dont_inherit=True))
        except (SyntaxError, ValueError):
            if _decodes(data):
                raise
            return self._leave_to_python

    def _leave_to_python(self) -> None:
        """Have Python itself run a file that cannot be decoded: only its own parser says it in its words."""
        self._session.stop("unknown", warning="Python could not decode the program's source: not recorded")
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])

    def leave(self, error: BaseException | None) -> None:
        """Take away what Python takes away from a script's namespace when it has ended, or failed."""
        if self._mode != "script" or self._namespace.get("__spec__") or isinstance(error, SystemExit):
            return
        for name in ("__file__", "__cached__"):
            if error is None:
                self._namespace.pop(name, None)
            else:  # when the error has been reported
                atexit.register(functools.partial(self._namespace.pop, name, None))

    def _function(self, code: CodeType) -> Any:
        """Return a call of the code itself: unlike `exec`, it counts as one call and not as two."""
        return FunctionType(code, self._namespace)

    @staticmethod
    def _module(name: str, *, alter_argv: bool) -> Any:
        import runpy

        # A function of ours would be a frame in the program's tracebacks.
        return functools.partial(runpy._run_module_as_main, name, alter_argv)  # type: ignore[attr-defined]


def _has_importer(path: str) -> bool:
    """Tell whether `python` would run a path's `__main__`: it asks the same hooks."""
    for hook in sys.path_hooks:
        try:
            hook(path)
        except ImportError:
            continue
        return True
    return False


def _decodes(source: bytes) -> bool:
    import io
    import tokenize

    try:
        source.decode(tokenize.detect_encoding(io.BytesIO(source).readline)[0])
    except (SyntaxError, ValueError, LookupError):
        return False
    return b"\0" not in source


def _compiled_code(data: bytes, magic: bytes) -> Any:
    import marshal

    if data[:4] != magic:
        raise RuntimeError("Bad magic number in .pyc file")
    return marshal.loads(data[16:])


def _code(text: str) -> Any:
    code = compile(text, "<string>", "exec", dont_inherit=True)
    if sys.version_info >= (3, 13):
        import linecache

        # As `python -c` does since 3.13: tracebacks show the lines.
        register = getattr(linecache, "_register_code", None)
        if register is not None:
            register(code, text, "<string>")
    return code


def _path_first(folder: str) -> None:
    """Put the program's folder first, unless Python was told not to (-P, -I, PYTHONSAFEPATH)."""
    if not getattr(sys.flags, "safe_path", False) and not sys.flags.isolated:
        sys.path.insert(0, folder)
        _forget_what_is_also_in(folder)


def _forget_what_is_also_in(folder: str) -> None:
    """Have the program import its own modules of names that we have imported something else by."""
    try:
        found = {each.partition(".")[0] for each in os.listdir(folder or ".")}
    except OSError:
        return
    ours = {each.partition(".")[0] for each in sys.modules} - _BEFORE
    for name in found & ours - {"profilerkit"}:
        for each in [each for each in sys.modules if each.partition(".")[0] == name]:
            if not _lies_in(sys.modules[each], folder):
                del sys.modules[each]


def _lies_in(module: Any, folder: str) -> bool:
    """Tell whether a module came from a folder: it may be what the program would import too."""
    file, inside = getattr(module, "__file__", None), os.path.join(os.path.abspath(folder), "")
    return isinstance(file, str) and os.path.abspath(file).startswith(inside)


def _standard_error() -> tuple[int, int] | None:
    """Return what file the standard error is, None when there is none."""
    try:
        found = os.fstat(2)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _say(text: str) -> None:
    """Write one line to the standard error, if there still is one."""
    pipe_signal = getattr(signal, "SIGPIPE", None)
    try:
        # Whoever read it may be gone, and the program may have had the signal kill it for that.
        before = None if pipe_signal is None else signal.signal(pipe_signal, signal.SIG_IGN)
        try:
            sys.__stderr__.write(f"profilerkit: {text}\n")  # type: ignore[union-attr]
            sys.__stderr__.flush()  # type: ignore[union-attr]
        finally:
            if pipe_signal is not None and before is not None:
                signal.signal(pipe_signal, before)
    except (OSError, ValueError, AttributeError):
        pass


_name_of = vars(type)["__name__"].__get__


class _Ending:
    """What becomes of the program, told to the session at the very end."""

    def __init__(self, session: Any, quiet: bool, hush: Any) -> None:
        self.hush = hush
        self._session = session
        self._quiet = quiet
        self._outcome = "success"
        self._exit_status: int | None = 0
        self._error: str | None = None
        self._standard_error = _standard_error()
        # Imported now: the program may leave a Python behind in which nothing can be.
        from profilerkit.outcomes import exit_status_of, outcome_of
        from profilerkit.retrace import hide_our_frames

        self._outcome_of, self._exit_status_of, self._hide = outcome_of, exit_status_of, hide_our_frames

    def ended_by(self, error: BaseException) -> None:
        """Note how the program ended, and have its traceback begin with its own frames."""
        self._outcome = self._outcome_of(error)
        if isinstance(error, SystemExit):
            self._exit_status = self._exit_status_of(error)
        else:
            self._error = _name_of(type(error))
            self._exit_status = -2 if isinstance(error, KeyboardInterrupt) else 1
        self._hide(error)

    def finish(self) -> None:
        """Stop the session; the program's own exit handlers have run."""
        session = self._session
        if not session.active:
            return
        try:
            session.stop(self._outcome, exit_status=self._exit_status, error=self._error)
        except BaseException:  # noqa: BLE001 - the program has ended, and nothing changes how
            pass
        if not self._quiet and self._standard_error == _standard_error():
            _say(f"recorded {session.id}. See it: profilerkit show {session.id}")
        self.hush.on()  # for what is deleted after this


if __name__ == "__main__":
    _program, _ending = prepare()
    from profilerkit import depth

    _frame = _failure = None
    _hush = _ending.hush.off()
    __name__ = "profilerkit.launch"  # warnings that are shown for `__main__` alone are none of this frame
    try:
        _run = _program.compile()
        # Called from here, so that the program's stack begins as little deeper as can be.
        _frame = depth.forget_one_frame()
        _run()
        _hush()
    except BaseException as _error:
        _hush()
        _failure = _error
        _ending.ended_by(_error)
        raise
    finally:
        depth.remember(_frame)
        _program.leave(_failure)
        _ending.hush.on_after(_failure)
        del _failure
