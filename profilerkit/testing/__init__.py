"""Conformance suites for plugins: subclass one in a test module, and everything is checked.

They need pytest, which profilerkit itself does not depend on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

for _module in ("checks", "profilers", "renderers", "stores"):
    pytest.register_assert_rewrite(f"{__name__}.{_module}")

if TYPE_CHECKING:
    from profilerkit.testing.profilers import ProfilerTests
    from profilerkit.testing.renderers import RendererTests
    from profilerkit.testing.stores import StoreTests

__all__ = ["ProfilerTests", "RendererTests", "StoreTests"]


def __getattr__(name: str) -> Any:
    """Import a suite when it is asked for: each needs only its own imports to work."""
    if name == "ProfilerTests":
        from profilerkit.testing.profilers import ProfilerTests

        return ProfilerTests
    if name == "RendererTests":
        from profilerkit.testing.renderers import RendererTests

        return RendererTests
    if name == "StoreTests":
        from profilerkit.testing.stores import StoreTests

        return StoreTests
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
