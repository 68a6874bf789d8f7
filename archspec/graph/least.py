"""How much a row comes to at least, known before it is walked: blocks that multiply need no walk.

What only the walk can know counts as nothing: a `when`, a `repeat` that is an expression, an op
that is an argument. So a network is never thought larger than it is.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

from archspec.diagnostics import SpecPath
from archspec.language.model import Block, Body, Spec, Step
from archspec.language.source import Data
from archspec.ops import OPS_BY_NAME

DEEPEST = 64
"""What is nested deeper counts as nothing; the walk does not go there, either."""


def weight(data: Data) -> int:
    """How much there is to evaluate in a written value: its items, long texts counting more."""
    pending, total = [data], 0
    while pending:
        item = pending.pop()
        total += 1 + (len(item) // 16 if isinstance(item, str) else 0)
        if isinstance(item, dict):
            pending.extend(item.values())
        elif isinstance(item, list | tuple):
            pending.extend(item)
    return total


class Least(NamedTuple):
    """At least so many nodes, and so much work of the walk."""

    nodes: int
    work: int


NOTHING = Least(0, 0)


class Counter:
    """Counts the rows of a spec, each block once, whatever its variables are."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.weights: dict[SpecPath, int] = {}
        self.known: dict[str, Least] = {}
        self.hidden = _hidden(spec)

    def weight(self, step: Step) -> int:
        """What a visit of a row costs."""
        found = self.weights.get(step.at)
        if found is None:
            parts = (
                step.name,
                step.op,
                step.inputs,
                step.control,
                step.branches and len(step.branches),
            )
            written: Any = [*parts, dict(step.attributes), dict(step.sugar), step.init]
            found = self.weights[step.at] = weight(written)
        return found

    def block(self, block: Block, depth: int = 0) -> Least:
        """What a use of a block comes to."""
        found = self.known.get(block.name)
        if found is None:
            self.known[block.name] = NOTHING  # a block within itself, which the walk refuses
            found = self.known[block.name] = self._body(block.body, depth + 1)
        return found

    def step(self, step: Step, depth: int = 0) -> Least:
        """What a row comes to with all its repetitions."""
        cost = self.weight(step)
        times = self._times(step)
        if times == 0 or depth > DEEPEST:
            return Least(0, cost)
        once = self._once(step, depth)
        return Least(times * once.nodes, times * (cost + once.work))

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
