"""Say which subjects somebody may see: every question to a catalog is asked within a scope."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from attrs import field, frozen

from profilerkit.model import Subject


def _frozen_sets(groups: Mapping[str, frozenset[str]]) -> dict[str, frozenset[str]]:
    return {kind: frozenset(names) for kind, names in groups.items()}


@frozen
class Scope:
    """The subjects that somebody may see: all, or some groups of each kind. What is not named is denied.

    A child process is seen by whoever may see the root of its parents.
    """

    everything: bool = False
    groups: Mapping[str, frozenset[str]] = field(factory=dict, converter=_frozen_sets)
    """Kind of subject to the groups of it (`Subject.group`), such as `task` to ids of DAGs."""

    ALL: ClassVar[Scope]
    NOTHING: ClassVar[Scope]

    def allows(self, subject: Subject) -> bool:
        """Tell whether a subject that has no parent may be seen."""
        return self.everything or subject.group in self.groups.get(subject.kind, frozenset())


Scope.ALL = Scope(everything=True)
Scope.NOTHING = Scope()
