"""Merges that read a value twice, because the name of a step that is left out stands for it.

A warning says so, unless it is written that both are the same: by `else`, or by one name twice.
"""

from collections.abc import Sequence

from archspec.diagnostics import Diagnostic
from archspec.diagnostics.language import ReadTwice
from archspec.graph.frame import Frame, Source
from archspec.graph.network import INPUT_NAME, Value
from archspec.graph.resolve import PREVIOUS, Resolver
from archspec.graph.values import shorten
from archspec.language.model import Body, Step

NAMELESS = "give that branch a name and an `else`: with `else: none` it is not there"


def in_names(step: Step, frame: Frame, resolver: Resolver) -> list[Diagnostic]:
    """A warning where two names behind `from` stand for one value, one of them for want of its own.

    Paths are left aside: what they lead to is there.
    """
    known, quiet = frame.lookup, Resolver(resolver.leaves, [])
    there: dict[Source, str] = {}
    left_out: dict[str, Source] = {}
    for text in step.inputs or ():
        name = quiet.named(step, "from", text, step.where("from"), frame)
        if name == PREVIOUS:
            there.setdefault(frame.previous, "the step before")
        elif name == INPUT_NAME and not known.inputs:
            there.setdefault(known.sources[0], f"`{name}`")
        elif name is not None and name in known.outputs:
            value = known.value_of(name)
            if value is not None and known.standing.get(name) == value:
                left_out[name] = value
            else:
                there.setdefault(value, f"`{shorten(name)}`")
    for name, value in left_out.items():
        again = [other for other, same in left_out.items() if same == value and other != name]
        if value in there or again:
            twice = there.get(value, "one step")
            return [_fault(step, "from", twice=twice, left_out=f"`{shorten(name)}`")]
    return []


def in_branches(step: Step, ends: Sequence[Source], source: Value) -> list[Diagnostic]:
    """The same where two branches come to what arrives, one of them for want of its rows."""
    branches = step.branches or ()
    if len(ends) != len(branches) or ends.count(source) < 2:
        return []  # some of them are several
    for branch, end in zip(branches, ends, strict=True):
        name = None if isinstance(branch, Body) else branch.name
        if end == source and _may_be_left_out(branch):
            called = f"`{shorten(name)}`" if name else "one branch"
            fault = _fault(step, "branches", twice="what arrives", left_out=called)
            fault.help = fault.help if name else NAMELESS
            return [fault]
    return []


def _may_be_left_out(branch: Step | Body) -> bool:
    """Whether a branch has rows, and none of them says what stands for it."""
    rows = branch.steps if isinstance(branch, Body) else branch.body and branch.body.steps
    if rows is None:
        assert isinstance(branch, Step)
        rows = (branch,)
    controls = [row.control for row in rows]
    said = any(control is not None and control.otherwise is not None for control in controls)
    return bool(rows) and not said


def _fault(step: Step, key: str, *, twice: str, left_out: str) -> Diagnostic:
    merge = f"`{shorten(step.name)}`" if step.name else f"this {shorten(step.op or '')}"
    return ReadTwice(step.where(key), merge=merge, twice=twice, left_out=left_out)
