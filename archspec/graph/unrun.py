"""Rows that no network of a spec runs, judged by their text: what they say is right, or it is told.

They are walked where nothing is known: no variable has a value, and nothing arrives. So what is
told is what would be wrong with any values at all.
"""

from collections.abc import Collection, Iterator, Sequence

from archspec.diagnostics import Diagnostic, SpecPath
from archspec.diagnostics.claims import ClaimOfNothing
from archspec.diagnostics.language import (
    InvalidExpression,
    InvalidName,
    InvalidValue,
    MissingKey,
    UnknownKey,
    UnknownOp,
    WrongType,
)
from archspec.graph import untaken
from archspec.graph.network import Memory
from archspec.graph.walk import Walker
from archspec.language.model import Body, Spec, Step

TOLD = (
    *(InvalidExpression, InvalidName, InvalidValue, MissingKey, UnknownKey, UnknownOp, WrongType),
)
"""Faults that do not depend on values."""


def check(spec: Spec, memory: Memory) -> Iterator[Diagnostic]:
    """The faults of rows that no walk with this memory has run, those of idle blocks among them."""
    spec = spec.family or spec
    left_out = {at for at, there in memory.ran.items() if not there}
    idle = spec.blocks.keys() - memory.used
    if not left_out and not idle:
        return
    faults: list[Diagnostic] = []
    walker = Walker(spec, {}, None, faults, Memory())
    for place in untaken.places(spec):
        never = place.block is not None and place.block.name in idle
        for step in place.body.steps if never else _outermost(place.body, left_out):
            faults.clear()  # those of what is declared, and of the row before
            walker.alone(step, place.names, fixed=place.block is not None)
            yield from _judged(step, place, faults)


def of_nothing(spec: Spec, memory: Memory) -> Iterator[Diagnostic]:
    """A warning for each row with claims that no network runs."""
    left_out = {at for at, there in memory.ran.items() if not there}
    bodies = (spec.body, *(block.body for block in spec.blocks.values())) if left_out else ()
    for step in (step for body in bodies for step in _outermost(body, left_out)):
        found = [claim for row in _rows(step) for claim in row.claims]
        if found:
            metrics = ", ".join(dict.fromkeys(claim.metric for claim in found))
            yield ClaimOfNothing(found[0].at, metrics=metrics)


def _rows(step: Step) -> Iterator[Step]:
    """A row, and those in it."""
    return Body(step.at, (step,)).every_step()


def _outermost(body: Body, left_out: Collection[SpecPath]) -> Iterator[Step]:
    """The steps of a body, and of bodies in it, that are left out: not what is in those again."""
    for step in body.steps:
        if step.at in left_out:
            yield step
            continue
        if step.body is not None:
            yield from _outermost(step.body, left_out)
        for branch in step.branches or ():
            inner = branch if isinstance(branch, Body) else Body(branch.at, (branch,))
            yield from _outermost(inner, left_out)


def _judged(step: Step, place: untaken.Place, faults: Sequence[Diagnostic]) -> Iterator[Diagnostic]:
    """What is wrong with a row, and those in it, by what a walk found and what their texts say.

    Of the steps that they read the text knows more: those around the row have not been walked.
    """
    told = [fault for fault in faults if isinstance(fault, TOLD)]
    yield from told
    for row in _rows(step):
        for fault in untaken.in_step(row, place, every=True):
            if not any(fault.where[: len(other.where)] == other.where for other in told):
                yield fault
