"""Say how code has ended by the exception that ended it, without asking code of the program's own."""

from __future__ import annotations

_code_of = vars(SystemExit)["code"].__get__
"""What was given to `sys.exit`, also where a subclass has a `code` of its own."""


def outcome_of(error: BaseException | None) -> str:
    """Return the outcome of code that ended with this exception, or without one.

    A generator that is closed before its end has done what was wanted of it.
    """
    if error is None or isinstance(error, GeneratorExit):
        return "success"
    if isinstance(error, SystemExit):
        return "success" if exit_status_of(error) == 0 else "failed"
    return "killed" if isinstance(error, KeyboardInterrupt) else "failed"


def exit_status_of(error: SystemExit) -> int:
    """Return the exit status that Python makes of it: 0 of nothing, a number's last byte, 1 of the rest."""
    code = _code_of(error)
    if code is None:
        return 0
    if not issubclass(type(code), int):
        return 1
    number = int.__index__(code)
    return (number if -(1 << 63) <= number < 1 << 63 else -1) & 0xFF
