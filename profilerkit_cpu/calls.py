"""Turn stacks, which differ by line, into a tree of calls between functions."""

from __future__ import annotations

from collections.abc import Iterator

from attrs import define, field

from profilerkit.reading import Frame, StackTree


@define(eq=False)
class Call:
    """A function called from one place, with the time spent in it and below it."""

    frame: Frame
    """With the line on which it spent most of its wall time."""
    wall: float = 0.0
    cpu: float = 0.0
    hidden: int = 0
    """How many calls between this one and its children are not shown."""
    children: dict[tuple[str, str, str], Call] = field(factory=dict, repr=False)
    _line_wall: float = 0.0

    def add(self, frame: Frame, wall: float, cpu: float) -> None:
        """Add the time of one line."""
        self.wall += wall
        self.cpu += cpu
        if wall > self._line_wall:
            self.frame, self._line_wall = frame, wall

    def descendants(self) -> Iterator[Call]:
        """Yield every call below, in no order."""
        waiting = list(self.children.values())
        while waiting:
            call = waiting.pop()
            yield call
            waiting += call.children.values()


def call_tree(tree: StackTree, *, merge_foreign: bool) -> Call:
    """Return the root of the calls; the metrics `cpu` and `wall` are used where they are there.

    With `merge_foreign`, of a chain of calls inside packages only the first and the last are kept.
    """
    names = [metric.name for metric in tree.metrics]
    none = [0.0] * len(tree.parents)
    wall, cpu = (tree.totals(names.index(name)) if name in names else none for name in ("wall", "cpu"))
    root = Call(Frame("", ""), wall=wall[0], cpu=cpu[0])
    calls = [root]
    for node in range(1, len(tree.parents)):
        frame, caller = tree.frames[tree.frame_ids[node]], calls[tree.parents[node]]
        call = caller.children.setdefault((frame.function, frame.path, frame.root), Call(frame))
        call.add(frame, wall[node], cpu[node])
        calls.append(call)
    if merge_foreign:
        _merge(root)
    return root


def _merge(root: Call) -> None:
    waiting = [root]
    while waiting:
        call = waiting.pop()
        if not call.frame.is_own:
            child = _only_foreign_child(call)
            while child is not None:
                following = _only_foreign_child(child)
                if following is None:
                    break
                call.hidden += 1
                call.children = child.children
                child = following
        waiting += call.children.values()


def _only_foreign_child(call: Call) -> Call | None:
    """Return the child that takes nearly all of a call's time, if it is not the user's code either."""
    if len(call.children) != 1:
        return None
    (child,) = call.children.values()
    passes_on = child.wall >= 0.98 * call.wall and child.cpu >= 0.98 * call.cpu
    return child if passes_on and not child.frame.is_own else None
