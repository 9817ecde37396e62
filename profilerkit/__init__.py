"""Profile any Python program: record memory, CPU and resources, keep the evidence, read it anywhere."""

from __future__ import annotations

from profilerkit._version import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from profilerkit.api import profile

__all__ = ["__version__", "profile"]


def __getattr__(name: str) -> Any:
    """Import the API on first use: recorded processes and watchers import this package too."""
    if name == "profile":
        from profilerkit.api import profile

        return profile
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
