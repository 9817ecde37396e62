"""Know which recording of this process has taken what of the interpreter: none can have it twice."""

from __future__ import annotations

from collections.abc import Iterable

_owners: dict[str, str] = {}

SHARED = frozenset({"descriptors", "hooks"})
"""Claims that say what to guard, and exclude nobody."""


def take(claims: Iterable[str], owner: str) -> str | None:
    """Take all of these claims for `owner`, or none: then return one that is taken."""
    for claim in sorted(set(claims) - SHARED):
        if _owners.setdefault(claim, owner) != owner:  # one step: threads may start at once
            release(owner)
            return claim
    return None


def is_taken(claim: str) -> bool:
    """Tell whether any recording of this process has it."""
    return claim in _owners


def release(owner: str, claim: str | None = None) -> None:
    """Give back what `owner` has taken, or one claim of it."""
    for each, taken_by in list(_owners.items()):
        if taken_by == owner and claim in (None, each):
            _owners.pop(each, None)


def release_all() -> None:
    """Give back everything, as a forked child does that lets go of its recordings."""
    _owners.clear()
