"""Profile any Python program: record memory, CPU and resources, keep the evidence, read it anywhere."""

from __future__ import annotations

from profilerkit._version import __version__

__all__ = ["__version__"]
