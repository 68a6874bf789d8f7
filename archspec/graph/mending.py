"""Trying what would mend a network: rows of the spec changed, and the network built once more."""

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from archspec.diagnostics import Diagnostic, SpecPath
from archspec.graph.build import build
from archspec.graph.network import Node
from archspec.language.model import Body, Spec, Step
from archspec.language.source import Data

MOST_NODES = 20_000
"""Nodes of all the networks that are tried for one spec."""
_NAME = re.compile(r"[\w.-]+")
OWN = "mended{}"
"""What a row is called that is tried between others."""


class Change(NamedTuple):
    """What rows would say: `rows` by their places, attributes by name, None where it would go.

    `put` are ops with their attributes, put before inputs of the merge at `merge`, by which it is.
    """

    rows: Mapping[SpecPath, Mapping[str, Data]]
    put: Mapping[int, tuple[str, Mapping[str, Data]]]
    merge: SpecPath = ()

    def and_(self, other: "Change") -> "Change":
        """Both together."""
        rows = {at: {**self.rows.get(at, {}), **other.rows.get(at, {})} for at in self.rows}
        return Change({**other.rows, **rows}, {**self.put, **other.put}, self.merge or other.merge)


class Trials:
    """Builds changed specs, as long as they are no more than so many nodes together."""

    def __init__(self, spec: Spec, overrides: Mapping[str, Data], left: int) -> None:
        self.spec = spec
        self.overrides = overrides
        self.left = left
        self.seen: dict[str, list[Diagnostic] | None] = {}

    def errors(self, spec: Spec, nodes: int) -> list[Diagnostic] | None:
        """The errors of a spec of about so many nodes; None where there is no room for it."""
        self.left -= nodes
        if self.left < 0:
            return None
        _, faults = build(spec, self.overrides)
        return [fault for fault in faults if fault.severity == "error"]

    def mends(
        self, change: Change, fault: Diagnostic, known: Iterable[Diagnostic], nodes: int
    ) -> bool:
        """Whether a change takes a fault away and brings no other; `known` are those there are."""
        key = repr(change)
        if key not in self.seen:
            spec = _changed(self.spec, change)
            self.seen[key] = None if spec is None else self.errors(spec, nodes + len(change.put))
        left = self.seen[key]
        if left is None:
            return False
        before = {_kind(other) for other in known} - {_kind(fault)}
        return all(_kind(other) in before for other in left)


def _kind(fault: Diagnostic) -> tuple[str, SpecPath]:
    return fault.code, fault.where


def can_be_put(node: Node) -> bool:
    """Whether a row can stand before each input of a merge: where they are written one by one."""
    step = node.step
    if step is None or step.spread or node.role:
        return False
    if step.branches is not None:
        return len(step.branches) == len(node.inputs) and step.inputs is None
    inputs = step.inputs or ()
    return len(inputs) == len(node.inputs) and all(map(_NAME.fullmatch, inputs))


def _changed(spec: Spec, change: Change) -> Spec | None:
    """The spec with rows changed; None where one of them is not found."""
    wanted = {*change.rows, *([change.merge] if change.put else [])}
    found: set[SpecPath] = set()

    def in_body(body: Body) -> Body:
        steps: list[Step] = []
        for step in body.steps:
            if any(at[: len(step.at)] == step.at for at in wanted):
                steps += in_step(step)
            else:
                steps.append(step)
        return body._replace(steps=tuple(steps))

    def in_step(step: Step) -> list[Step]:
        if step.at in change.rows:
            found.add(step.at)
            step = _with(step, change.rows[step.at])
        if step.body is not None:
            step = step._replace(body=in_body(step.body))
        if step.branches is not None:
            inner = [in_body(b) if isinstance(b, Body) else _one(in_step(b)) for b in step.branches]
            step = step._replace(branches=tuple(inner))
        if not change.put or step.at != change.merge:
            return [step]
        found.add(step.at)
        step, before = _put(step, change)
        return [*before, step]

    blocks = {name: b._replace(body=in_body(b.body)) for name, b in spec.blocks.items()}
    changed = spec._replace(body=in_body(spec.body), blocks=blocks)
    return changed if found == wanted else None


def _one(steps: list[Step]) -> "Step | Body":
    """A branch: the step, or a body of it and those that were put before it."""
    return steps[0] if len(steps) == 1 else Body(steps[-1].at, tuple(steps))


def _with(step: Step, attributes: Mapping[str, Data]) -> Step:
    """A row that says something else."""
    said = {**step.attributes, **attributes}
    gone = {key for key, value in attributes.items() if value is None}
    return step._replace(
        attributes={key: value for key, value in said.items() if key not in gone}, columns=None
    )


def _put(step: Step, change: Change) -> tuple[Step, list[Step]]:
    """A merge that reads new rows, and those of them that stand before it."""
    branches, inputs = list(step.branches or ()), list(step.inputs or ())
    before: list[Step] = []
    for place, (op, attributes) in change.put.items():
        row = Step(step.at, OWN.format(place), op, attributes, {})
        if branches:
            branch = branches[place]
            steps = branch.steps if isinstance(branch, Body) else (branch,)
            branches[place] = Body(branch.at, (*steps, row._replace(name=None)))
        else:
            before.append(row._replace(inputs=(inputs[place],)))
            inputs[place] = OWN.format(place)
    return step._replace(branches=tuple(branches) or None, inputs=tuple(inputs) or None), before
