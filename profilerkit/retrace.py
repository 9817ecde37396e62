"""Keep frames of ours out of the tracebacks of exceptions that pass through us."""

from __future__ import annotations

import sys

if sys.version_info < (3, 11):
    import ctypes


def hide_our_frames(error: BaseException) -> None:
    """Have the traceback of an exception begin below the calling module's frames.

    To be called while the exception is handled, before a bare `raise`, which adds no frame again.
    """
    ours = sys._getframe(1).f_code.co_filename
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename == ours:
        trace = trace.tb_next
    error.__traceback__ = trace
    if sys.version_info < (3, 11):
        _handle_with(error)


def _handle_with(error: BaseException) -> None:
    """Have a bare `raise` raise the exception with the traceback that it has now.

    Since Python 3.11 that is so; before, the traceback is kept a second time (`PyErr_SetExcInfo`,
    which takes over a reference to each of its arguments).
    """
    parts = (type(error), error, error.__traceback__)
    for each in parts:
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(each))
    ctypes.pythonapi.PyErr_SetExcInfo(*map(ctypes.py_object, parts))
