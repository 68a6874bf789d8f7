"""The walk over a spec's bodies: blocks instantiated, steps repeated, inputs resolved."""

import re
from collections.abc import Mapping
from typing import Any

from archspec.diagnostics import Diagnostic, SpecPath
from archspec.diagnostics.language import (
    DuplicateName,
    InvalidName,
    InvalidValue,
    MissingKey,
    OneInput,
    RecursiveBlock,
    TooDeeplyNested,
    TooManySteps,
    UnknownKey,
    UnknownOp,
    UnknownStep,
    WrongType,
)
from archspec.diagnostics.wording import describe, suggest
from archspec.expressions import Reference, Value
from archspec.graph.leaves import Frame, Leaves
from archspec.graph.names import problem_with
from archspec.graph.network import INPUT, Kind, Scope
from archspec.graph.values import evaluate, shorten
from archspec.language.model import Block, Body, Spec, Step
from archspec.language.rows import MAX_FAULTS, SUGAR
from archspec.ops import OPS_BY_NAME, Shape

MAX_STEPS = 500_000
MAX_NESTED = 100
_HOLE = re.compile(r"\{([^{}]*)\}")


def references(spec: Spec) -> dict[str, Value]:
    """The names of ops and blocks, as values of expressions."""
    return {name: Reference(name) for name in (*OPS_BY_NAME, *spec.blocks)}


class Walker(Leaves):
    """Walks the bodies in order. `dropped` are the steps of the root that `when` leaves out."""

    def __init__(
        self,
        spec: Spec,
        names: dict[str, Value],
        shape: Shape | None,
        faults: list[Diagnostic],
    ) -> None:
        super().__init__(spec, shape, faults)
        self.body = Frame(names, "", INPUT, 0, fixed=False, shared=False)
        self.references = references(spec)
        self.branching = False  # whether any step reads another one than the one before it
        self.dropped: set[str] = set()
        self.open: list[str] = []  # the blocks that the walk is in
        self.work = 0
        self.stopped = False
        self._check_defaults()
        self._check_blocks()

    def root(self) -> Scope:
        """The network's own scope."""
        body = self.spec.body
        self._steps(body, self.body)
        children, output = tuple(self.body.children), self.body.previous
        return Scope("", "", body.at, True, children, self.spec.claims, output=output)

    def _check_defaults(self) -> None:
        for name, attributes in self.spec.defaults.items():
            where: SpecPath = ("defaults", name)
            cls = OPS_BY_NAME.get(name)
            if cls is None:
                help_ = suggest(name, OPS_BY_NAME)
                self.faults.append(UnknownOp(where, on_key=True, op=name, help=help_))
                continue
            known = [*cls.model_fields, *cls.aliases, *SUGAR]
            for key in attributes:  # also those of ops that no row uses
                if key not in known:
                    fault = UnknownKey((*where, key), on_key=True, owner=name, key=key)
                    fault.help = suggest(key, known)
                    self.faults.append(fault)

    def _check_blocks(self) -> None:
        for name, block in self.spec.blocks.items():
            reason = problem_with(name)
            if name.isdigit():
                reason = "it becomes the name of a class"
            if name in OPS_BY_NAME:
                reason = "there is an op of that name"
            if reason:
                fault = InvalidName(block.at, on_key=True, what="block", name=name, reason=reason)
                self.faults.append(fault)
            for kind, names in (("args", block.args), ("vars", block.vars)):
                for own in names:
                    if not (own.isascii() and own.isidentifier()):
                        reason = "it has to be a Python identifier, in ASCII"
                        where = (*block.at, kind, own)
                        self.faults.append(
                            InvalidName(where, on_key=True, what=kind[:-1], name=own, reason=reason)
                        )

    # --- bodies ------------------------------------------------------------------------------

    def _steps(self, body: Body, frame: Frame) -> None:
        for step in body.steps:
            if len(self.faults) >= MAX_FAULTS or self.stopped:
                break
            self._step(step, body, frame)

    def _step(self, step: Step, body: Body, frame: Frame) -> None:
        if step.control is None:
            self._once(step, body, frame, step.name)
        elif step.spread:
            self._several(step, body, frame)
        elif self._wanted(step, frame):
            self._once(step, body, frame, step.name)
        else:
            self._drop(step, body, frame)

    def _wanted(self, step: Step, frame: Frame) -> bool:
        """Whether `when` keeps a step; one that cannot be computed does."""
        if step.control is None or step.control.when is None:
            return True
        self._see_channels(frame, step)
        value = evaluate(step.control.when, frame.names, step.where("when"), self.faults)
        return value is None or bool(value)

    def _see_channels(self, frame: Frame, step: Step) -> None:
        """Outside blocks, `in_channels` is what arrives at the row."""
        if not frame.fixed:
            source = frame.previous
            if step.inputs:
                name = step.inputs[0]
                source = frame.input if name == "input" else frame.outputs.get(name, source)
            arriving = self.flow(source)
            frame.names["in_channels"] = arriving[0] if arriving else 0

    def _drop(self, step: Step, body: Body, frame: Frame) -> None:
        """A step that is not there: what arrives at it goes through, of several the first."""
        inputs = self._inputs(step, body, frame)
        if inputs:
            frame.previous = inputs[0]
        name = self._filled(step, step.name, frame)
        if name is not None:
            frame.outputs[name] = frame.previous
            if frame is self.body:
                self.dropped.add(name)

    # --- repetition --------------------------------------------------------------------------

    def _several(self, step: Step, body: Body, frame: Frame) -> None:
        """A repeated step: a group of its name, or in the body itself where it has none."""
        rows = self._table(step, frame)
        if step.name is None or "{" in step.name:
            self._iterate(step, body, frame, frame, rows, step.name)
            return
        name = self._own_name(step, step.name, frame)
        inputs = self._inputs(step, body, frame)
        if inputs is None:
            return
        inner = self._frame(frame, name, inputs[0])
        inner.shared = True
        self._iterate(step._replace(inputs=None, claims=()), body, inner, inner, rows, None)
        self._close(inner, step, name, frame, "repeat", step.at)

    def _iterate(
        self,
        step: Step,
        body: Body,
        frame: Frame,
        target: Frame,
        rows: list[dict[str, Value]],
        name: str | None,
    ) -> None:
        names = frame.names
        shadowed = {key: names.get(key) for key in ("i", "j", *(rows[0] if rows else ()))}
        shared, frame.shared = frame.shared, True
        names["j"] = 0
        chained = step._replace(inputs=None)
        first = True
        for index, row in enumerate(rows):
            names.update(row)
            for i in range(self._times(step, frame)):
                if self.stopped or len(self.faults) >= MAX_FAULTS:
                    break
                names["i"] = index if step.control and step.control.repeat is None else i
                current = step if first else chained
                if self._wanted(current, frame):
                    self._once(current, body, target, name)
                    first = False
                names["j"] += 1  # type: ignore[operator]  # set here, a number
                self._count_work(step)
        frame.shared = shared
        for key, value in shadowed.items():
            if value is None:
                names.pop(key, None)
            else:
                names[key] = value

    def _times(self, step: Step, frame: Frame) -> int:
        """How often a step is repeated."""
        if step.control is None or step.control.repeat is None:
            return 1
        self._see_channels(frame, step)
        where = step.where("repeat")
        value = evaluate(step.control.repeat, frame.names, where, self.faults)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if type(value) is int and 0 <= value <= MAX_STEPS:
            return value
        if value is not None:
            problem = f"repeat is a whole number from 0 to {MAX_STEPS}, not {value}"
            self.faults.append(InvalidValue(where, problem=shorten(problem)))
        return 1

    def _table(self, step: Step, frame: Frame) -> list[dict[str, Value]]:
        """The rows of `each`, one empty row where there is none."""
        if step.control is None or step.control.each is None:
            return [{}]
        where = step.where("each")
        self._see_channels(frame, step)
        rows = evaluate(step.control.each, frame.names, where, self.faults)
        if rows is None:
            return []
        wanted = "a list of rows, such as `[{width: 64, stride: 1}, {width: 128, stride: 2}]`"
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            fault = WrongType(where, what="`each`", wanted=wanted, found=describe(rows))
            self.faults.append(fault)
            return []
        for row in rows:
            odd = row.keys() ^ rows[0].keys()
            if odd:
                problem = f"every row needs the same keys; not all have `{sorted(odd)[0]}`"
                self.faults.append(InvalidValue(where, problem=problem))
                return []
        return rows

    # --- one step ----------------------------------------------------------------------------

    def _once(self, step: Step, body: Body, frame: Frame, name: str | None) -> None:
        self._count_work(step)
        if self.stopped:
            return
        inputs = self._inputs(step, body, frame)
        if step.branches is not None:
            inputs = self._branches(step, body, frame, inputs)
        own = self._own_name(step, name, frame)
        if step.body is not None:
            self._group(step, own, frame, inputs)
        else:
            self._op(step, own, frame, inputs)
        if name is not None:
            frame.outputs[own] = frame.previous
        elif not frame.shared:
            frame.outputs.setdefault(own, frame.previous)

    def _count_work(self, step: Step) -> None:
        self.work += 1
        if not self.stopped and max(len(self.nodes), self.work // 4) >= MAX_STEPS:
            self.faults.append(TooManySteps(step.at, limit=MAX_STEPS))
            self.stopped = True

    def _own_name(self, step: Step, written: str | None, frame: Frame) -> str:
        if written is None:
            own = str(len(frame.children))
        else:
            own = self._filled(step, written, frame) or written
            problem = problem_with(own)
            if problem:
                where = step.where("name")
                self.faults.append(InvalidName(where, what="step", name=own[:64], reason=problem))
        if own in frame.taken:
            where = step.where("name") if written is not None else step.at
            self.faults.append(DuplicateName(where, name=own))
        frame.taken.add(own)
        return own

    def _filled(self, step: Step, written: str | None, frame: Frame) -> str | None:
        """A name with its `{expressions}` computed."""
        if written is None or "{" not in written:
            return written
        where = step.where("name")

        def fill(hole: re.Match[str]) -> str:
            value = evaluate(hole[1], frame.names, where, self.faults)
            return str(value) if type(value) is int else "0"

        return _HOLE.sub(fill, written)

    def _inputs(self, step: Step, body: Body, frame: Frame) -> tuple[int, ...] | None:
        """The nodes that a step reads, None where it names one that is not there."""
        if step.inputs is None:
            return (frame.previous,)
        self.branching = True
        found = [self._find(step, i, body, frame) for i in range(len(step.inputs))]
        return None if None in found else tuple(found)  # type: ignore[arg-type]  # just asked

    def _find(self, step: Step, position: int, body: Body, frame: Frame) -> int | None:
        assert step.inputs is not None
        name = step.inputs[position]
        if "{" in name:
            name = self._filled(step, name, frame) or name
        if name == "input":
            return frame.input
        if name in frame.outputs:
            return frame.outputs[name]
        known = ["input", *frame.outputs]
        later = any(other.name == name for other in body.steps)
        problem = f"there is no step `{shorten(name)}` before this one in its body"
        help_ = suggest(name, known)
        if name == step.name:
            problem, help_ = f"`{name}` cannot read its own output", ""
        elif later:
            problem = f"`{name}` comes later: a step reads those before it, so there are no cycles"
            help_ = f"move `{name}` before this row"
        where = step.where("from")
        whole = len(step.inputs) == 1
        at = where if whole else (*where, position)
        self.faults.append(UnknownStep(at, problem=problem, help=help_))
        return None

    def _branches(
        self, step: Step, body: Body, frame: Frame, inputs: tuple[int, ...] | None
    ) -> tuple[int, ...] | None:
        """The ends of a step's branches, each of which begins with the step's input."""
        assert step.branches is not None
        self.branching = True
        if inputs is not None and len(inputs) > 1:
            where, count = step.where("from"), len(inputs)
            self.faults.append(OneInput(where, op="a row with branches", count=count))
            return None
        if inputs is None:
            return None
        ends = []
        for branch in step.branches:
            frame.previous = inputs[0]
            if isinstance(branch, Body):
                self._steps(branch, frame)
            else:
                self._step(branch, body, frame)
            ends.append(frame.previous)
        if not ends:
            problem = "there are no branches to bring together"
            self.faults.append(InvalidValue(step.where("branches"), problem=problem))
            return None
        return tuple(ends)

    def _group(self, step: Step, name: str, frame: Frame, inputs: tuple[int, ...] | None) -> None:
        assert step.body is not None
        if inputs is None or self._is_too_deep(step, frame):
            return
        if len(inputs) > 1:
            where = step.where("from")
            self.faults.append(OneInput(where, op=f"the group `{name}`", count=len(inputs)))
        inner = self._frame(frame, name, inputs[0])
        self._steps(step.body, inner)
        self._close(inner, step, name, frame, "group", step.body.at)

    def _frame(self, outer: Frame, name: str, source: int) -> Frame:
        """A body inside another that sees the same names."""
        return Frame(
            outer.names,
            outer.inner(name),
            source,
            outer.depth + 1,
            fixed=outer.fixed,
            shared=outer.shared,
        )

    def _close(
        self,
        inner: Frame,
        step: Step,
        name: str,
        frame: Frame,
        kind: Kind,
        at: SpecPath,
        block: Block | None = None,
        arguments: Mapping[str, Value] | None = None,
    ) -> None:
        frame.previous = inner.previous
        scope = Scope(
            name=name,
            path=inner.path,
            at=at,
            named=step.name is not None,
            children=tuple(inner.children),
            claims=step.claims,
            kind=kind,
            step=step,
            block=block,
            arguments=arguments or {},
            source=inner.input,
            output=inner.previous,
        )
        frame.children.append(scope)
        if kind == "repeat":
            frame.outputs[name] = frame.previous

    def _is_too_deep(self, step: Step, frame: Frame) -> bool:
        if frame.depth < MAX_NESTED:
            return False
        self.faults.append(TooDeeplyNested(step.at, limit=MAX_NESTED))
        self.stopped = True
        return True

    # --- ops and blocks ----------------------------------------------------------------------

    def _op(self, step: Step, name: str, frame: Frame, inputs: tuple[int, ...] | None) -> None:
        block, cls = None, None
        if step.op is not None:
            cls = OPS_BY_NAME.get(step.op)
            if cls is None:
                self._see_channels(frame, step)
                op = self._referred(step.op, step.where("op"), frame)
                cls, block = OPS_BY_NAME.get(op), self.spec.blocks.get(op)
                if cls is None and block is None:
                    known = [*OPS_BY_NAME, *self.spec.blocks]
                    shown, help_ = shorten(step.op), suggest(step.op, known)
                    self.faults.append(UnknownOp(step.where("op"), op=shown, help=help_))
        if inputs is None:
            self._unknown(step, name, frame, (frame.previous,))
        elif block is not None:
            self._block(step, block, name, frame, inputs)
        else:
            self.row(step, cls, name, inputs, frame)

    def _unknown(self, step: Step, name: str, frame: Frame, inputs: tuple[int, ...]) -> None:
        """A step about which nothing can be said."""
        path = frame.inner(name)
        op_name = step.op or ""
        frame.previous = self._add(step, name, path, op_name, None, {}, inputs[:1], frame)

    def _block(
        self, step: Step, block: Block, name: str, frame: Frame, inputs: tuple[int, ...]
    ) -> None:
        if len(inputs) > 1:
            where = step.where("from" if step.inputs else "branches")
            self.faults.append(OneInput(where, op=block.name, count=len(inputs)))
        if block.name in self.open:
            cycle = " → ".join([*self.open[self.open.index(block.name) :], block.name])
            self.faults.append(RecursiveBlock(step.where("op"), cycle=cycle))
            self.stopped = True
            return
        if self._is_too_deep(step, frame):
            return
        arriving = self.flow(inputs[0])
        before = len(self.faults)
        arguments = self._arguments(step, block, frame)
        if arriving is None or len(self.faults) > before:
            self._unknown(step, name, frame, inputs)
            return
        names = {**self.references, **arguments, "in_channels": arriving[0]}
        for local, written in block.vars.items():
            value = evaluate(written, names, (*block.at, "vars", local), self.faults)
            if value is not None:
                names[local] = value
        path, depth = frame.inner(name), frame.depth + 1
        inner = Frame(names, path, inputs[0], depth, fixed=True, shared=True)
        self.open.append(block.name)
        self._steps(block.body, inner)
        self.open.pop()
        given = {**arguments, "in_channels": arriving[0]}
        self._close(inner, step, name, frame, "block", block.at, block, given)

    def _arguments(self, step: Step, block: Block, frame: Frame) -> dict[str, Value]:
        """The values of a block's arguments, in its order; faults where they do not fit."""
        given: dict[str, Any] = {**step.attributes, **step.sugar}
        for key in given:
            if key not in block.args:
                help_ = suggest(key, block.args)
                fault = UnknownKey(step.where(key), on_key=True, owner=block.name, key=key)
                fault.help = help_ or "it takes no arguments"
                self.faults.append(fault)
        values: dict[str, Value] = {}
        for name, default in block.args.items():
            if name in given:
                where = step.where(name)
                value = evaluate(given[name], frame.names, where, self.faults)
            elif default is None:
                help_ = f"for example `{name}: 64`"
                self.faults.append(MissingKey(step.at, owner=block.name, key=name, help=help_))
                continue
            else:
                where = (*block.at, "args", name)
                value = evaluate(default, {**self.references, **values}, where, self.faults)
            if value is not None:
                values[name] = value
        return values

