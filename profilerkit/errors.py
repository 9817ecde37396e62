"""Define the errors that users see: each says what happened and, where there is one, what to do."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import ClassVar


class ProfilerKitError(Exception):
    """Anything that went wrong in profilerkit; the command line prints it as one line."""

    exit_code: ClassVar[int] = 1

    def __init__(self, what: str, mend: str | None = None) -> None:
        super().__init__(what if mend is None else f"{what} {mend}")
        self.what = what
        self.mend = mend


class UsageError(ProfilerKitError):
    """What was asked for cannot be asked for: an unknown name, option or value."""

    exit_code = 2


class NotFoundError(ProfilerKitError):
    """A recording, capture, report or key that is not there."""


class UnavailableError(ProfilerKitError):
    """A plugin cannot be used here; `mend` is the command that changes that."""


class StoreError(ProfilerKitError):
    """A store could not be read or written."""


class FormatError(ProfilerKitError):
    """Stored data is damaged, foreign, or of a newer format than this version reads."""


class CaptureError(ProfilerKitError):
    """A capture cannot be read or a report cannot be made of it."""


class LimitError(CaptureError):
    """Work in a limited subprocess met its limit of memory, time or output."""
