"""Rows that would read one step or another, whatever the values: `from` has to say which.

A row that is left out is as if it were not written. If it has a `from`, the row behind it reads
then what stands before both, and somebody may have meant what the row would have read.
"""

from collections.abc import Iterator, Sequence

from archspec.diagnostics import Diagnostic, SpecPath
from archspec.diagnostics.language import (
    AmbiguousInput,
    ChainReadAsBranches,
    ContradictsInput,
    WrongInputs,
)
from archspec.graph.network import INPUT_NAME
from archspec.language.model import Body, Output, Spec, Step

PREVIOUS = "previous"
READER = "this row"
CHAIN = (
    "`from: {read}` is read by the first place alone, the others read the place before them; "
    "for steps that all read `{read}` write `beside` under `branches`, or a `from` that names "
    "several steps or speaks of `i`: it holds at every place"
)
_ARRIVING = (ContradictsInput.name, WrongInputs.name)
END = "end the body with a row that says with `from` what it reads"


def check(spec: Spec) -> Iterator[Diagnostic]:
    """A fault for each reader of which it is not clear what it reads."""
    for body, outputs in bodies(spec):
        yield from _chains(body, outputs)
    yield from _body(spec.body, ends=not spec.outputs, first=(INPUT_NAME,))
    for block in spec.blocks.values():
        first = (next(iter(block.inputs)),) if block.inputs else (INPUT_NAME,)
        yield from _body(block.body, ends=not block.outputs, first=first)


def bodies(spec: Spec) -> Iterator[tuple[Body, Sequence[Output]]]:
    """The bodies in which names are looked up, and what leaves them by name."""
    yield spec.body, spec.outputs
    for block in spec.blocks.values():
        yield block.body, block.outputs
    for step in [*spec.body.every_step(), *_of_blocks(spec)]:
        if step.body is not None:
            yield step.body, ()


def _of_blocks(spec: Spec) -> Iterator[Step]:
    for block in spec.blocks.values():
        yield from block.body.every_step()


def _chains(body: Body, outputs: Sequence[Output]) -> Iterator[Diagnostic]:
    """A warning for each chain with a `from` of its own, all places of which are read."""
    read = {text for step in body.steps for text in step.inputs or ()}
    read.update(output.of for output in outputs)
    for step in body.steps:
        control, inputs = step.control, step.inputs or ()
        spread = control is not None and (
            control.each is not None or control.repeat not in (None, 1)
        )
        if not spread or len(inputs) != 1 or f"{step.name}.*" not in read:
            continue
        if inputs[0] != PREVIOUS and inputs[0].replace(".", "").isidentifier():
            where = step.where("from")
            yield ChainReadAsBranches(where, read=inputs[0][:64], step=str(step.name)[:64])


def hint_at_chain(
    inputs: Sequence[str] | None, faults: Sequence[Diagnostic], first: int | None
) -> None:
    """Say of the first of the faults from an index on that `from` does not hold at that place.

    They are of the places of a repeated step that are not the first, which alone reads `inputs`.
    """
    read = inputs[0] if inputs else ""
    for fault in faults[first:] if read and first is not None else ():
        if fault.severity == "error" and (fault.code.startswith("AS3") or fault.name in _ARRIVING):
            hint = CHAIN.format(read=read[:64])
            fault.help = f"{fault.help}; {hint}" if fault.help else hint
            return


def _body(body: Body, *, ends: bool, first: tuple[str, ...]) -> Iterator[Diagnostic]:
    doubt: Step | None = None
    before = {*first, PREVIOUS}  # what the step before is called
    for step in body.steps:
        yield from _inside(step)
        if step.inputs is None and doubt is not None:
            yield _fault(doubt, READER, step.at)
            doubt = None
        if step.control is None or step.control.when is None:
            doubt = None
            before = {step.name or "", PREVIOUS} - {""}
        elif step.inputs is not None and before.isdisjoint(step.inputs):
            doubt = step
            before = {PREVIOUS}
        else:
            before = {step.name or "", PREVIOUS} - {""}
    if ends and doubt is not None:
        yield _fault(doubt, "the end of this body", body.steps[-1].at)


def _inside(step: Step) -> Iterator[Diagnostic]:
    """The same of the bodies in a step."""
    if step.body is not None:
        yield from _body(step.body, ends=True, first=(INPUT_NAME,))
    for branch in step.branches or ():
        if isinstance(branch, Body):
            yield from _body(branch, ends=True, first=(PREVIOUS,))
        else:
            yield from _inside(branch)


def _fault(left_out: Step, reader: str, at: SpecPath) -> Diagnostic:
    called = (
        f"`{left_out.name[:64]}`" if left_out.name else f"the row of {left_out.op or 'a group'}"
    )
    meant = left_out.inputs or ()
    other = f"`{meant[0][:64]}`" if len(meant) == 1 else f"what {called} would have read"
    readings = f"the step before {called}, or {other}"
    fault = AmbiguousInput(at, reader=reader, left_out=called, readings=readings)
    fault.help = fault.help if reader == READER else END
    return fault
