"""How much a row comes to at least, known before it is walked: blocks that multiply need no walk.

What only the walk can know counts as nothing: a `when`, a `repeat` that is an expression, an op
that is an argument. So a network is never thought larger than it is.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from archspec.language.model import Block, Body, Spec, Step
from archspec.ops import OPS_BY_NAME

DEEPEST = 64
"""What is nested deeper counts as nothing; the walk does not go there, either."""


class Least(NamedTuple):
    """At least so many nodes, and so much work of the walk."""

    nodes: int
    work: int


NOTHING = Least(0, 0)


class Counter:
    """Counts the rows of a spec, each block once. `weigh` is what a visit of a row costs."""

    def __init__(self, spec: Spec, weigh: Callable[[Step], int]) -> None:
        self.spec = spec
        self.weigh = weigh
        self.known: dict[str, Least] = {}
        self.hidden = _hidden(spec)

    def block(self, block: Block, depth: int = 0) -> Least:
        """What a use of a block comes to."""
        found = self.known.get(block.name)
        if found is None:
            self.known[block.name] = NOTHING  # a block within itself, which the walk refuses
            found = self.known[block.name] = self._body(block.body, depth + 1)
        return found

    def step(self, step: Step, depth: int = 0) -> Least:
        """What a row comes to with all its repetitions."""
        weight = self.weigh(step)
        times = self._times(step)
        if times == 0 or depth > DEEPEST:
            return Least(0, weight)
        once = self._once(step, depth)
        return Least(times * once.nodes, times * (weight + once.work))

    def _once(self, step: Step, depth: int) -> Least:
        branches = _total(
            self._body(branch, depth + 1)
            if isinstance(branch, Body)
            else self.step(branch, depth + 1)
            for branch in step.branches or ()
        )
        if step.body is not None:
            own = self._body(step.body, depth + 1)
        elif step.op in OPS_BY_NAME:
            own = Least(1, 0)
        elif step.op and step.op in self.spec.blocks and step.op not in self.hidden:
            own = self.block(self.spec.blocks[step.op], depth)
        else:
            own = NOTHING
        return _total((branches, own))

    def _body(self, body: Body, depth: int) -> Least:
        return _total(self.step(step, depth) for step in body.steps)

    def _times(self, step: Step) -> int:
        """How often a row is run at least."""
        control = step.control
        if control is None:
            return 1
        rows, repeat = control.each, 1 if control.repeat is None else control.repeat
        if control.when is not None or type(repeat) is not int or repeat < 0:
            return 0
        if rows is None:
            return repeat
        known = isinstance(rows, list) and all(isinstance(row, dict) for row in rows)
        if not known or any(name in self.spec.blocks for row in rows for name in row):
            return 0  # a column might hide a block
        return repeat * len(rows)


def _total(counts: Iterable[Least]) -> Least:
    nodes = work = 0
    for count in counts:
        nodes += count.nodes
        work += count.work
    return Least(nodes, work)


def _hidden(spec: Spec) -> frozenset[str]:
    """The names that may stand for something else than the block of that name."""
    owners = [spec.vars, *(block.args for block in spec.blocks.values())]
    owners += [block.vars for block in spec.blocks.values()]
    return frozenset(name for owner in owners for name in owner)
