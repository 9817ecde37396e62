"""Fold stacks into a call tree as they are seen, in bounded memory.

A tree has one writer. Others may read its columns at any time: each is only appended to, in an order
in which a cut at `node_count` is whole.
"""

from __future__ import annotations

from array import array
from types import CodeType, FrameType

ROOT = 0
MAX_FRAMES = 50_000
"""Distinct (function, file, line) that a tree holds; beyond them the caller stands for the callee."""

CUT = ("(outer frames left out)", "", 0)
TOO_MANY = "some stacks were shortened: the call tree reached its limit of {} nodes"

FrameKey = tuple[str, str, int]
"""Function, file and line."""


class CallTree:
    """A prefix tree of stacks, root first, with columns of seconds for each node."""

    def __init__(self, columns: tuple[str, ...], *, max_depth: int, max_nodes: int) -> None:
        self.columns = {name: array("d", [0.0]) for name in columns}
        self.parents = array("I", [0])
        self.frame_ids = array("I", [0])
        self.frames: list[FrameKey] = [("", "", 0)]
        self.full = False
        self._max_depth = max_depth
        self._max_nodes = max_nodes
        self._ids: dict[FrameKey, int] = {}
        self._children: dict[int, int] = {}

    @property
    def node_count(self) -> int:
        """Return how many nodes there are; the columns may briefly be longer."""
        return len(self.parents)

    def child(self, parent: int, key: FrameKey) -> int:
        """Return the node of a call from `parent`, or `parent` itself when the tree is full."""
        frame_id = self._ids.get(key)
        if frame_id is None:
            frame_id = len(self.frames)
            if frame_id >= MAX_FRAMES or len(self.parents) >= self._max_nodes:  # no node could refer to it
                self.full = True
                return parent
            self._ids[key] = frame_id
            self.frames.append(key)
        place = parent << 32 | frame_id
        node = self._children.get(place)
        if node is None:
            node = len(self.parents)
            if node >= self._max_nodes:
                self.full = True
                return parent
            for column in self.columns.values():
                column.append(0.0)
            del self.frame_ids[node:]  # left over if memory ran out here before
            self.frame_ids.append(frame_id)
            self.parents.append(parent)
            self._children[place] = node
        return node

    def fold(self, frame: FrameType | None, last: LastStack) -> int:
        """Return the node of the stack that ends in `frame`; `last` is where its thread was before."""
        stack: list[tuple[CodeType, int | None] | None] = []
        room = self._max_depth
        while frame is not None and room:
            stack.append((frame.f_code, frame.f_lineno))
            frame = frame.f_back
            room -= 1
        if frame is not None:
            stack.append(None)
        stack.reverse()
        same = 0
        for one, other in zip(stack, last.stack, strict=False):
            if one != other:
                break
            same += 1
        nodes = last.nodes
        last.stack = []  # until the nodes are those of the new one: this may be broken off anywhere
        del nodes[same + 1 :]
        node = nodes[same]
        for pair in stack[same:]:
            key = CUT if pair is None else (pair[0].co_name, pair[0].co_filename, pair[1] or 0)
            node = self.child(node, key)
            nodes.append(node)
        last.stack = stack
        return node


class LastStack:
    """The stack that was folded last for one thread: the next has most frames in common with it."""

    __slots__ = ("nodes", "stack")

    def __init__(self, node: int) -> None:
        self.nodes = [node]
        """The node that all its stacks are below, and the node of each frame."""
        self.stack: list[tuple[CodeType, int | None] | None] = []
