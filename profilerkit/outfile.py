"""Write a file that a person asked for: whole, or the older one stays."""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from profilerkit.errors import ProfilerKitError

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextlib.contextmanager
def replacing(target: Path, *, private: bool) -> Iterator[BinaryIO]:
    """Give a stream whose content takes the place of a plain file at once when it is whole.

    A new file is readable by its user alone when `private`, else by whom the umask lets; an older one
    that is not private keeps its mode. A device or a pipe is written to as it is. Raises
    ProfilerKitError when that cannot be.
    """
    if _is_stream(target):
        with _in_words(target), target.open("wb") as stream:
            yield stream
        return
    target = Path(os.path.realpath(target))
    with _in_words(target):
        descriptor, temporary = tempfile.mkstemp(prefix=".tmp-", dir=target.parent)
        try:
            with os.fdopen(descriptor, "wb") as stream:
                yield stream
            if not private:
                os.chmod(temporary, _mode(target))
            os.replace(temporary, target)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise


@contextlib.contextmanager
def _in_words(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if isinstance(error.filename, str) and Path(error.filename).parent != target.parent:
            raise  # it is another file's, and names it
        raise ProfilerKitError(
            f"{target} cannot be written ({error.strerror or error}).",
            "Make room, or choose another place with -o."
            if error.errno in FULL
            else "Choose another place with -o.",
        ) from None


def _is_stream(target: Path) -> bool:
    """Tell whether there is no older file to keep, but a device, a pipe, or what this process has open."""
    is_open = str(target).startswith(("/dev/std", "/dev/fd/", "/proc/"))
    return is_open or (os.path.exists(target) and not os.path.isfile(target))


def _mode(target: Path) -> int:
    """Return the mode of the file that is replaced, or that of a new one."""
    try:
        return target.stat().st_mode & 0o777
    except OSError:
        umask = os.umask(0)
        os.umask(umask)
        return 0o666 & ~umask
