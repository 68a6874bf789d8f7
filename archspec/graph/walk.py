"""The walk over a spec's bodies: blocks instantiated, steps repeated, inputs resolved."""

from collections.abc import Iterable, Mapping
from typing import Any

from archspec.diagnostics import Diagnostic, SpecPath
from archspec.diagnostics.foreign import FOLLOWING, suggest_key, suggest_op
from archspec.diagnostics.language import (
    InvalidName,
    InvalidValue,
    MissingKey,
    OneInput,
    RecursiveBlock,
    TooDeeplyNested,
    TooManySteps,
    UnknownKey,
    UnknownOp,
    WrongType,
)
from archspec.diagnostics.wording import describe
from archspec.expressions import UNKNOWN, Configured, Word
from archspec.expressions import Value as Worth
from archspec.graph import declared, init
from archspec.graph.copies import Copy, Walked
from archspec.graph.declared import references
from archspec.graph.least import Counter, Least
from archspec.graph.leaves import Frame
from archspec.graph.network import INPUT, Kind, Memory, Scope, Value
from archspec.graph.resolve import Resolver
from archspec.graph.values import PLAIN, evaluate, following_fault, shorten
from archspec.graph.words import words_in
from archspec.language.model import Block, Body, Spec, Step
from archspec.language.rows import MAX_FAULTS
from archspec.language.source import Data
from archspec.ops import OPS_BY_NAME, Shape, channels_of
from archspec.ops.fields import spell

MAX_STEPS = 500_000
MAX_WORK = 10_000_000
"""How much may be evaluated on the way, in items of the text: what is dropped costs, too."""
MAX_NESTED = 64
MAX_ROUNDS = 4
"""How often equal faults are struck out, to go on and look for others."""


def told_once(faults: Iterable[Diagnostic]) -> list[Diagnostic]:
    """Without what a row says again in each of its places."""
    kept: dict[Any, Diagnostic] = {}
    for fault in faults:
        what = "" if fault.path else fault.message
        kept.setdefault((fault.where, fault.code, fault.offset, fault.at, what), fault)
    return list(kept.values())


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


class Walker(Resolver):
    """Walks the bodies in order. `dropped` are the steps of the root that `when` leaves out."""

    def __init__(
        self,
        spec: Spec,
        names: dict[str, Worth],
        shape: Shape | None,
        faults: list[Diagnostic],
        memory: Memory,
    ) -> None:
        super().__init__(spec, shape, faults, memory)
        self.factory.names = dict(names)  # what a body sees is hidden in places
        self.body = Frame(names, "", Value(INPUT), 0, fixed=False, shared=False)
        self.references = references(spec)
        self.dropped: set[str] = set()
        self.open: list[str] = []  # the blocks that the walk is in
        self.work = 0
        self.weights: dict[SpecPath, int] = {}
        self.counter = Counter(spec, self._weight)
        self.room, self.rounds = MAX_FAULTS, 0
        self.stopped = False
        faults += declared.check(spec)
        self.init = {op: init.bind(schemes, names, faults) for op, schemes in spec.init.items()}
        read = {name: names.get(name) for name in words_in(spec.defaults) if name in spec.vars}
        # The blocks so far that nothing was wrong with; they see the spec in its defaults.
        self.walked: dict[Any, Walked] = memory.blocks.setdefault(repr((self.init, read)), {})

    def root(self) -> Scope:
        """The network's own scope."""
        body = self.spec.body
        self._steps(body, self.body)
        init.check_spec(self.spec, self.parameters, self.faults)
        children, outputs = tuple(self.body.children), (self.body.previous,)
        return Scope(
            "", "", body.at, named=True, children=children, claims=self.spec.claims, outputs=outputs
        )

    # --- bounds ------------------------------------------------------------------------------

    def _is_over(self) -> bool:
        """Whether there is no use in going on: too much work, or more faults than anybody reads."""
        if self.stopped or len(self.faults) < self.room:
            return self.stopped
        self.faults[:] = told_once(self.faults)
        self.room, self.rounds = len(self.faults) + MAX_FAULTS, self.rounds + 1
        self.stopped = len(self.faults) >= MAX_FAULTS or self.rounds > MAX_ROUNDS
        return self.stopped

    def _count(self, step: Step, frame: Frame) -> None:
        """Count a visit of a step; in a body that is walked more than once, with its weight."""
        self.work += self._weight(step) if frame.shared else 1
        if not self.stopped and (len(self.nodes) >= MAX_STEPS or self.work >= MAX_WORK):
            self.faults.append(TooManySteps(step.at, limit=MAX_STEPS))
            self.stopped = True

    def _is_too_much(self, step: Step, least: Least) -> bool:
        """Whether a row cannot but come to more than is walked: it is told before."""
        if len(self.nodes) + least.nodes <= MAX_STEPS and self.work + least.work <= MAX_WORK:
            return False
        self.faults.append(TooManySteps(step.at, limit=MAX_STEPS))
        self.stopped = True
        return True

    def _weight(self, step: Step) -> int:
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

    # --- bodies ------------------------------------------------------------------------------

    def _steps(self, body: Body, frame: Frame) -> None:
        for step in body.steps:
            if self._is_over():
                break
            self._step(step, body, frame)

    def _step(self, step: Step, body: Body, frame: Frame) -> None:
        self._count(step, frame)
        if self.stopped:
            return
        if step.control is None:
            self._once(step, body, frame, step.name)
        elif step.spread:
            self._several(step, body, frame)
        elif self._wanted(step, frame):
            self._once(step, body, frame, step.name)
        else:
            self._drop(step, body, frame, step.name)

    def _wanted(self, step: Step, frame: Frame) -> bool:
        """Whether `when` keeps a step; one that cannot be computed does."""
        if step.control is None or step.control.when is None:
            return True
        value = self.control(step, "when", step.control.when, frame)
        if value is None or isinstance(value, int | float):
            return value is None or bool(value)
        where, found = step.where("when"), describe(value)
        fault = WrongType(where, what="`when`", wanted="true or false", found=found)
        self.faults.append(fault)
        return True

    def _drop(self, step: Step, body: Body, frame: Frame, name: str | None) -> None:
        """A step that is not there: what arrives at it goes through, of several the first."""
        inputs = self.sources(step, body, frame)
        if inputs:
            frame.previous = inputs[0]
        own = name and self.filled(step, "name", name, frame)
        if own:
            frame.outputs[own] = frame.previous
            if frame is self.body:
                self.dropped.add(own)

    # --- repetition --------------------------------------------------------------------------

    def _several(self, step: Step, body: Body, frame: Frame) -> None:
        """A repeated step: a group of its name, or in the body itself where it has none."""
        if self._is_too_much(step, self.counter.step(step)):
            return
        rows = self._table(step, frame)
        if step.name is None or "{" in step.name:
            self._iterate(step, body, frame, rows, step.name)
            return
        inputs = self.sources(step, body, frame)
        name = self.own_name(step, step.name, frame)
        if inputs is not None and len(inputs) > 1 and step.branches is None:
            where, count = step.where("from"), len(inputs)
            self.faults.append(OneInput(where, op=f"the group `{name}`", count=count))
        if inputs is None:
            self._unknown(step, name, frame, (frame.previous,))
            frame.outputs[name] = frame.previous
            return
        inner = self._frame(frame, name, inputs[0])
        once = step._replace(name=None, inputs=None, claims=())
        self._iterate(once, body, inner, rows, None)
        self._close(inner, step, name, frame, "repeat", step.at)
        frame.outputs[name] = frame.previous

    def _iterate(
        self,
        step: Step,
        body: Body,
        frame: Frame,
        rows: list[dict[str, Worth]],
        name: str | None,
    ) -> None:
        """A step for each row, `repeat` times each; the first one reads what arrives."""
        names, shared = frame.names, frame.shared
        own = ("i", "j", *(rows[0] if rows else ()))
        shadowed = {key: names[key] for key in own if key in names}
        frame.shared, names["j"] = True, 0
        first, chained = True, step._replace(inputs=None)
        alone = step.control is not None and step.control.repeat is None
        for index, row in enumerate(rows):
            names.update(row)
            for i in range(self._times(step, frame)):
                self._count(step, frame)
                if self._is_over():
                    break
                names["i"] = index if alone else i
                current = step if first else chained
                if self._wanted(current, frame):
                    self._once(current, body, frame, name)
                    first = False
                else:
                    self._drop(current, body, frame, name)
                names["j"] += 1  # type: ignore[operator]  # set here, a number
        if first and step.inputs is not None:  # there is none: what arrives goes through
            frame.previous = (self.sources(step, body, frame) or (frame.previous,))[0]
        frame.shared = shared
        for key in own:
            names.pop(key, None)
        names.update(shadowed)

    def _times(self, step: Step, frame: Frame) -> int:
        """How often a step is repeated."""
        if step.control is None or step.control.repeat is None:
            return 1
        value = self.control(step, "repeat", step.control.repeat, frame)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if type(value) is int and 0 <= value <= MAX_STEPS:
            return value
        if value is not None:
            problem = f"repeat is a whole number from 0 to {MAX_STEPS}, not {spell(value)}"
            self.faults.append(InvalidValue(step.where("repeat"), problem=problem))
        return 1

    def _table(self, step: Step, frame: Frame) -> list[dict[str, Worth]]:
        """The rows of `each`, one empty row where there is none."""
        if step.control is None or step.control.each is None:
            return [{}]
        rows = self.control(step, "each", step.control.each, frame)
        where = step.where("each")
        if rows is None:
            return []
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            self.faults.append(_no_table(rows, where))
            return []
        self.work += len(rows)
        for index, row in enumerate(rows):
            odd = row.keys() ^ rows[0].keys()
            if odd:
                problem = f"every row needs the same keys; not all have `{shorten(min(odd))}`"
                at = (*where, index) if isinstance(step.control.each, list) else where
                self.faults.append(InvalidValue(at, problem=problem))
                return []
        for name in rows[0] if rows else ():
            reason = declared.reserved(name)
            if reason:
                facts = {"what": "a column", "name": name[:64], "reason": reason}
                self.faults.append(InvalidName(where, **facts))
                return []
        if isinstance(step.control.each, list):
            for row, written in zip(rows, step.control.each, strict=True):
                told = (k for k, v in row.items() if v is None and isinstance(written[k], str))
                row.update(dict.fromkeys(told, UNKNOWN))
        return rows

    # --- one step ----------------------------------------------------------------------------

    def _once(self, step: Step, body: Body, frame: Frame, name: str | None) -> None:
        inputs = self.sources(step, body, frame)
        if step.branches is not None:
            inputs = self._branches(step, body, frame, inputs)
        own = self.own_name(step, name, frame)
        if inputs is None:
            self._unknown(step, own, frame, (frame.previous,))
        elif step.body is not None:
            self._group(step, step.body, own, frame, inputs)
        else:
            self._op(step, own, frame, inputs)
        frame.outputs[own] = frame.previous

    def _branches(
        self, step: Step, body: Body, frame: Frame, inputs: tuple[Value, ...] | None
    ) -> tuple[Value, ...] | None:
        """The ends of a step's branches, each of which begins with the step's input."""
        assert step.branches is not None
        self.branching = True
        if inputs is not None and len(inputs) > 1:
            where, count = step.where("from"), len(inputs)
            self.faults.append(OneInput(where, op="a row with branches", count=count))
            return None
        if inputs is None or self._is_too_deep(step, frame):
            return None
        ends = []
        frame.depth += 1
        for branch in step.branches:
            frame.previous = inputs[0]
            if isinstance(branch, Body):
                self._steps(branch, frame)
            else:
                self._step(branch, body, frame)
            ends.append(frame.previous)
        frame.depth -= 1
        return tuple(ends) or None  # where there are none, the parser has told

    def _group(
        self, step: Step, body: Body, name: str, frame: Frame, inputs: tuple[Value, ...]
    ) -> None:
        if self._is_too_deep(step, frame):
            return
        if len(inputs) > 1:
            where = step.where("from")
            self.faults.append(OneInput(where, op=f"the group `{name}`", count=len(inputs)))
        inner = self._frame(frame, name, inputs[0])
        self._steps(body, inner)
        self._close(inner, step, name, frame, "group", body.at)

    def _frame(self, outer: Frame, name: str, source: Value) -> Frame:
        """A body inside another that sees the same names."""
        return Frame(
            outer.names,
            outer.inner(name),
            source,
            outer.depth + 1,
            fixed=outer.fixed,
            shared=outer.shared,
            in_group=True,
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
        arguments: Mapping[str, Worth] | None = None,
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
            sources=inner.sources,
            outputs=(inner.previous,),
        )
        frame.children.append(scope)

    def _is_too_deep(self, step: Step, frame: Frame) -> bool:
        if frame.depth < MAX_NESTED:
            return False
        self.faults.append(TooDeeplyNested(step.at, limit=MAX_NESTED))
        self.stopped = True
        return True

    # --- ops and blocks ----------------------------------------------------------------------

    def _op(self, step: Step, name: str, frame: Frame, inputs: tuple[Value, ...]) -> None:
        block, cls, head = None, None, None
        if step.op is not None:
            cls = OPS_BY_NAME.get(step.op)
            if cls is None:
                self.see_channels(frame, step)
                op = self.referred(step.op, step.where("op"), frame.names)
                if isinstance(op, str):
                    head = op if isinstance(op, Configured) else None
                    cls, block = OPS_BY_NAME.get(str(op)), self.spec.blocks.get(str(op))
                    if cls is None and block is None:
                        self.faults.append(self._no_such_op(step, op, frame))
        if block is not None:
            self._block(step, block, name, frame, inputs)
        else:
            self.row(step, cls, name, inputs, frame, head)

    def _no_such_op(self, step: Step, written: str, frame: Frame) -> Diagnostic:
        help_ = suggest_op(written, [*OPS_BY_NAME, *self.spec.blocks])
        if written in frame.names and not isinstance(frame.names[written], Word):
            found = describe(frame.names[written])
            help_ = f"the variable `{shorten(written)}` is {found}, not the name of an op or block"
        return UnknownOp(step.where("op"), op=shorten(written), help=help_)

    def _unknown(self, step: Step, name: str, frame: Frame, inputs: tuple[Value, ...]) -> None:
        """A step about which nothing can be said."""
        path = frame.inner(name)
        op_name = step.op or ""
        frame.previous = self._add(step, name, path, op_name, None, {}, inputs[:1], frame)

    def _block(
        self, step: Step, block: Block, name: str, frame: Frame, inputs: tuple[Value, ...]
    ) -> None:
        if len(inputs) > 1:
            where = step.where("from" if step.inputs else "branches")
            self.faults.append(OneInput(where, op=block.name, count=len(inputs)))
        if block.name in self.open:
            cycle = " → ".join([*self.open[self.open.index(block.name) :], block.name])
            self.faults.append(RecursiveBlock(step.where("op"), cycle=shorten(cycle)))
            self._unknown(step, name, frame, inputs)
            return
        if self._is_too_deep(step, frame) or self._is_too_much(step, self.counter.block(block)):
            return
        if step.init is not None:
            problem = f"the parameters of {block.name} belong to the rows in it; write `init` there"
            self.faults.append(InvalidValue(step.where("init"), on_key=True, problem=problem))
        arriving = self.flow(inputs[0])
        before = len(self.faults)
        arguments = self._arguments(step, block, frame, arriving)
        faulty = any(f.severity == "error" for f in self.faults[before:])
        if arriving is None or faulty or len(arguments) < len(block.args):  # why has been told
            self._unknown(step, name, frame, inputs)
            return
        self.work += 10 + len(block.vars) + len(self.references) // 16
        channels = channels_of(arriving)
        given = {**arguments, "in_channels": channels}
        path, depth = frame.inner(name), frame.depth + 1
        inner = Frame(given, path, inputs[0], depth, fixed=True, shared=True)
        kinds = map(type, (arriving, *given.values()))
        key = (block.name, depth, *self.open, repr(given), arriving, *kinds)
        if not self._walk_again(key, inner):
            inner.names = self._names(block, given)
            self._walk(block, inner, key)
        self._close(inner, step, name, frame, "block", block.at, block, given)

    def _names(self, block: Block, given: Mapping[str, Worth]) -> dict[str, Worth]:
        """What a block sees: ops and blocks, what it is given, and its own variables."""
        names = {**self.references, **given}
        for local, written in block.vars.items():
            value = evaluate(written, names, (*block.at, "vars", local), self.faults)
            names[local] = UNKNOWN if value is None else value
        return names

    def _walk(self, block: Block, inner: Frame, key: Any) -> None:
        """The body of a block, remembered where nothing at all is wrong so far."""
        start, work = len(self.nodes), self.work
        self.open.append(block.name)
        self._steps(block.body, inner)
        self.open.pop()
        if not self.faults:
            self._remember(inner, key, start, self.work - work)

    def _remember(self, inner: Frame, key: Any, start: int, work: int) -> None:
        self.walked[key] = Walked(
            tuple(inner.children),
            inner.path,
            inner.sources[0],
            inner.previous,
            start,
            len(self.nodes),
            work,
            self.nodes,
            self.shapes,
        )

    def _walk_again(self, key: Any, inner: Frame) -> bool:
        """Whether a block was walked with the same arguments and input: that is there once more."""
        walked, start = self.walked.get(key), len(self.nodes)
        if walked is None or self.faults:
            return False
        count = walked.stop - walked.start
        if start + count >= MAX_STEPS or self.work + walked.work >= MAX_WORK:
            return False  # somewhere in there it is too much
        self.work += walked.work
        copy = Copy(walked, inner.path, inner.sources[0], start)
        shapes = walked.shapes[walked.start : walked.stop]
        self.nodes += copy.nodes
        self.shapes += shapes
        self.flows += shapes
        inner.children += copy.children
        inner.previous = copy.output
        if walked.nodes is self.nodes:
            self.twins += self.twins[walked.start : walked.stop]
            return True
        self.branching = True  # perhaps: then it is asked what leads to the outputs
        for node in copy.nodes:
            self.adopt(node)
        self._remember(inner, key, start, walked.work)
        return True

    def _arguments(
        self, step: Step, block: Block, frame: Frame, arriving: Shape | None
    ) -> dict[str, Worth]:
        """The values of a block's arguments, in its order; faults where they do not fit."""
        given: dict[str, Any] = {**step.attributes, **step.sugar}
        for key, written in given.items():
            if key in FOLLOWING and key not in block.args:
                value = evaluate(written, frame.names, step.where(key), self.faults)
                told = following_fault(key, value, step.where(key), arriving)
                self.faults += [told] if told is not None else []
            elif key not in block.args:
                help_ = suggest_key(key, block.args)
                fault = UnknownKey(
                    step.where(key), on_key=step.columns is None, owner=block.name, key=key
                )
                fault.help = help_ or "it takes no arguments"
                self.faults.append(fault)
        values: dict[str, Worth] = {}
        for name, default in block.args.items():
            if given.get(name) is not None:
                where = step.where(name)
                value = evaluate(given[name], frame.names, where, self.faults)
            elif default is None:
                help_ = f"for example `{name}: 64`"
                self.faults.append(MissingKey(step.at, owner=block.name, key=name, help=help_))
                continue
            else:
                where = (*block.at, "args", name)
                self.work += weight(default)
                value = default
                if type(default) not in PLAIN:
                    value = evaluate(default, {**self.references, **values}, where, self.faults)
            if value is not None:
                values[name] = value
        return values


def _no_table(rows: Data, where: SpecPath) -> Diagnostic:
    """The fault of an `each` that has no rows."""
    wanted = "a list of rows, such as `[{width: 64, stride: 1}, {width: 128, stride: 2}]`"
    fault = WrongType(where, what="`each`", wanted=wanted, found=describe(rows))
    if isinstance(rows, list) and any(isinstance(row, Configured) for row in rows):
        fault.help = "a row with `op` is an op with attributes; call that column otherwise"
    return fault
