"""The walk over a spec's bodies: steps repeated or left out, branches followed, groups entered."""

from collections.abc import Mapping, Sequence
from itertools import islice

from archspec.diagnostics import Diagnostic
from archspec.diagnostics.foreign import suggest_op
from archspec.diagnostics.language import (
    InvalidValue,
    MergeOfOne,
    NothingArrives,
    OneInput,
    UnknownOp,
)
from archspec.diagnostics.wording import describe
from archspec.expressions import Configured, Word
from archspec.expressions import Value as Worth
from archspec.graph import declared, init, readings, standing
from archspec.graph.blocks import Blocks, by_name, chains, gives_several, leaving
from archspec.graph.bounds import Bounds
from archspec.graph.conditions import Conditions, Row
from archspec.graph.frame import Frame, Given, Source
from archspec.graph.leaves import Leaves, hidden_op
from archspec.graph.network import INPUT, Memory, Node, Scope, Value
from archspec.graph.resolve import PREVIOUS, Resolver, holds_everywhere, speaks_of_places, value_of
from archspec.graph.values import shorten
from archspec.graph.words import words_in
from archspec.language.model import Body, Spec, Step
from archspec.language.rows import MAX_FAULTS
from archspec.ops import OPS_BY_NAME, Op, Shape


class Walker:
    """Walks the bodies in order. `dropped` are the steps of the root that are left out."""

    def __init__(
        self,
        spec: Spec,
        names: dict[str, Worth],
        shape: Shape | None,
        faults: list[Diagnostic],
        memory: Memory,
    ) -> None:
        self.spec = spec
        self.faults = faults
        self.body = Frame(names, "", (Value(INPUT),), 0, fixed=False, shared=False)
        self.dropped: set[str] = set()
        faults += islice(declared.check(spec), MAX_FAULTS)
        faults += readings.check(spec)
        schemes = {op: init.bind(schemes, names, faults) for op, schemes in spec.init.items()}
        self.leaves = Leaves(spec, shape, faults, memory, schemes, names)
        self.resolver = Resolver(self.leaves, faults)
        self.bounds = Bounds(spec, self.leaves.nodes, faults, memory)
        self.conditions = Conditions(self.resolver, self.bounds, faults, memory.ran)
        self.blocks = Blocks(self.leaves, self.resolver, self.bounds, memory)

    def root(self) -> Scope:
        """The network's own scope."""
        body = self.spec.body
        self._steps(body, self.body)
        if not self.spec.outputs:
            self.resolver.ask_about(self.body, None, body.at)
        init.check_spec(self.spec, self.leaves.parameters, self.faults)
        children, outputs = tuple(self.body.children), (self.body.previous,)
        return Scope(
            "", "", body.at, named=True, children=children, claims=self.spec.claims, outputs=outputs
        )

    def alone(self, step: Step, names: Mapping[str, Worth], *, fixed: bool) -> None:
        """Walk a row, whatever its conditions are, at which values arrive that nobody knows."""
        arriving = (Value(INPUT),) * max(1, len(step.inputs or ()))
        frame = Frame({**names}, "", arriving, 0, fixed=fixed, shared=False)
        name = None if step.name is None or "{" in step.name else step.name
        once = step._replace(control=None, keys=None)
        self._once(once, Body(step.at, (step,)), frame, name, arriving)

    # --- bodies ------------------------------------------------------------------------------

    def _steps(self, body: Body, frame: Frame) -> None:
        for step in body.steps:
            if self.bounds.is_over():
                break
            self._step(step, body, frame)

    def _step(self, step: Step, body: Body, frame: Frame) -> Source | Given:
        """Go through a step; what its name stands for."""
        self.bounds.count(step, frame)
        if self.bounds.stopped:
            return frame.previous
        if step.control is None:
            return self._once(step, body, frame, step.name)
        if step.spread:
            return self._several(step, body, frame)
        if self.conditions.wanted(step, frame):
            return self._once(step, body, frame, step.name)
        return self._drop(step, body, frame, step.name)

    def _drop(self, step: Step, body: Body, frame: Frame, name: str | None) -> Source | Given:
        """A step that is not there: as if it were not written, but for what its name stands for."""
        before = len(self.faults)
        inputs = self.resolver.sources(step, body, frame)
        kept = [f for f in self.faults[before:] if not isinstance(f, NothingArrives)]
        self.faults[before:] = kept  # it reads nothing
        if inputs is not None and len(step.branches or ()) > 1:
            inputs = (*inputs, *inputs)  # it would have read its branches
        meant = self.resolver.stands_for(step, body, frame, inputs)
        return self._keep(meant, step, frame, name)

    def _keep(
        self, meant: Source | Given, step: Step, frame: Frame, name: str | None
    ) -> Source | Given:
        """Note what the name of a step stands for that is left out."""
        own = name and self.resolver.filled(step, "name", name, frame)
        if own:
            frame.outputs[own] = meant
            frame.gone.add(own)
            said = step.control is not None and step.control.otherwise is not None
            if not said:
                frame.standing[own] = value_of(meant)
            if frame is self.body and not (said and meant is not None):
                self.dropped.add(own)
        return meant

    def _drop_all(
        self, step: Step, body: Body, frame: Frame, rows: Sequence[Row]
    ) -> Source | Given:
        """A repeated step that came to nothing: as one that is left out."""
        self.conditions.note(step, there=False)
        name = None if step.name is None or "{" in step.name else step.name
        reads_before = PREVIOUS in words_in(step.inputs or ())
        if not self._everywhere(step, rows):
            meant = self._drop(step, body, frame, name)
            reads_before = self.resolver.sources(step, body, frame) == (frame.previous,)
        else:
            several = (frame.previous, frame.previous)  # which ones is said at each place
            meant = self.resolver.stands_for(step, body, frame, several)
        meant = _whole(meant)._replace(places=())
        self._keep(meant, step, frame, name)
        told = step.control is None or step.control.when is not None
        if step.inputs is not None and not told and not reads_before:
            frame.doubt = _called(step)
        return meant

    # --- repetition --------------------------------------------------------------------------

    def _several(self, step: Step, body: Body, frame: Frame) -> Source | Given:
        """A repeated step: a group of its name, or in the body itself where it has none."""
        if self.bounds.is_too_much(step, self.bounds.counter.step(step)):
            return frame.previous
        rows = self.conditions.table(step, frame)
        if step.name is None or "{" in step.name:
            with frame.turning(rows):
                places = self._iterate(step, body, frame, rows, step.name, step.inputs)
            return frame.previous if places else self._drop_all(step, body, frame, rows)
        everywhere = self._everywhere(step, rows)
        previous = frame.previous
        inputs: tuple[Source, ...] | None = (previous,)
        if not everywhere:
            inputs = self.resolver.sources(step, body, frame)
        taken = step.name in frame.taken
        name = self.resolver.own_name(step, step.name, frame)
        if not inputs or inputs[0] is None:
            frame.previous = self._unknown(step, name, frame, (previous,), inputs)
            frame.outputs[name] = given = Given(frame.previous, is_unknown=True)
            return given
        inner = self._frame(frame, name, inputs[0])
        inner.around = frame.lookup
        start = len(self.leaves.nodes)
        once = step._replace(name=None, claims=())
        if not everywhere:
            once = once._replace(inputs=None, keys=None)
        with inner.turning(rows):
            places = self._iterate(once, body, inner, rows, None, step.inputs)
        if not places:
            if not taken:
                frame.taken.discard(name)
            return self._drop_all(step, body, frame, rows)
        read = _read_outside(inner.children, start) if everywhere else _present(inputs)
        self._close(inner, step, name, frame, read or (previous,), (inner.previous,))
        frame.previous = inner.previous
        parts: dict[str, Source | Given] = {str(turn): given for turn, given in places.items()}
        unknown = any(place.is_unknown for place in places.values())
        given = Given(inner.previous, parts, tuple(map(value_of, places.values())), "", "", unknown)
        if not unknown and inner.children and gives_several(inner.children[-1]):
            last = by_name(name, inner.children[-1])
            given = last._replace(
                parts={**last.parts, **parts}, places=None if last.problem else given.places
            )
        frame.outputs[name] = given
        return given

    def _iterate(
        self,
        step: Step,
        body: Body,
        frame: Frame,
        rows: Sequence[Row],
        name: str | None,
        read: Sequence[str] | None,
    ) -> dict[int, Given]:
        """A step for each row, `repeat` times each; what each place gives that is there, by `j`.

        `read` is what `from` says of it.
        """
        names = frame.names
        names["j"] = 0
        places: dict[int, Given] = {}
        turn = 0
        everywhere, chained = self._everywhere(step, rows), step._replace(inputs=None, keys=None)
        may_chain = not speaks_of_places(step, rows[0] if rows else ())
        alone = step.control is not None and step.control.repeat is None
        steady = _steadiness(step) if name is None and not everywhere else None
        first: int | None = None  # where the faults begin that the first place does not have
        for index, row in enumerate(rows):
            names.update(row)
            alike = None
            for i in range(self.conditions.times(step, frame)):
                self.bounds.count(step, frame)
                if self.bounds.is_over():
                    break
                work, start = self.bounds.work, len(self.leaves.nodes)
                names["i"] = index if alone else i
                current = step if everywhere or not places else chained
                if alike and not steady and not self.blocks.is_given(alike, step, frame):
                    alike, steady = None, None
                if alike and (again := self.blocks.once_more(alike, frame)):
                    places[turn] = Given(again)
                elif not self.conditions.wanted(current, frame):
                    self._drop(current, body, frame, name)
                elif places and may_chain and chains(frame.children[-1:]):
                    given = self._once(chained, body, frame, name, leaving(frame.children[-1]))
                    places[turn] = _whole(given)
                else:
                    places[turn] = _whole(self._once(current, body, frame, name))
                turn += 1
                names["j"] = turn
                first = len(self.faults) if first is None and places else first
                if i and steady is not None and alike is None and places:
                    work = self.bounds.work - work
                    alike = self.blocks.alike(frame.children[-1], start, work)
        readings.hint_at_chain(None if everywhere else read, self.faults, first)
        return places

    def _everywhere(self, step: Step, rows: Sequence[Row]) -> bool:
        """Whether `from` holds at every place of a repeated step."""
        return holds_everywhere(step, rows[0] if rows else ())

    # --- one step ----------------------------------------------------------------------------

    def _once(
        self,
        step: Step,
        body: Body,
        frame: Frame,
        name: str | None,
        arriving: tuple[Source, ...] | None = None,
    ) -> Source | Given:
        """A step that is there, and what its name stands for; `arriving` is what it reads."""
        inputs = self.resolver.sources(step, body, frame) if arriving is None else arriving
        if step.branches is not None:
            inputs = self._branches(step, body, frame, inputs)
        own = self.resolver.own_name(step, name, frame)
        given: Source | Given
        if inputs is None:
            frame.previous = self._unknown(step, own, frame, (frame.previous,))
            given = Given(frame.previous, is_unknown=True)
        elif step.body is not None:
            given = self._group(step, step.body, own, frame, inputs)
        else:
            given = self._op(step, body, own, frame, inputs)
        frame.doubt = None
        frame.outputs[own] = given
        return given

    def _group(
        self, step: Step, body: Body, name: str, frame: Frame, inputs: tuple[Source, ...]
    ) -> Source | Given:
        if self.bounds.is_too_deep(step, frame):
            return frame.previous
        if len(inputs) > 1 or step.keys is not None:
            where = step.where("from")
            if step.keys is not None and len(inputs) == 1:
                problem = f"the group `{name}` has one input, which has no name"
                self.faults.append(InvalidValue(where, problem=problem))
            else:
                self.faults.append(OneInput(where, op=f"the group `{name}`", count=len(inputs)))
        if not inputs or inputs[0] is None:
            frame.previous = self._unknown(step, name, frame, (frame.previous,), inputs)
            return Given(frame.previous, is_unknown=True)
        inner = self._frame(frame, name, inputs[0])
        self._steps(body, inner)
        self.resolver.ask_about(inner, None, body.at)
        self._close(inner, step, name, frame, inner.sources, (inner.previous,))
        frame.previous = inner.previous
        return Given(inner.previous, inner.outputs)

    def _close(
        self,
        inner: Frame,
        step: Step,
        name: str,
        frame: Frame,
        sources: tuple[Value, ...],
        outputs: tuple[Value, ...],
    ) -> None:
        """The scope of a group, or of a repeated step, once its body is walked."""
        repeats = inner.around is not None
        scope = Scope(
            name=name,
            path=inner.path,
            at=step.at if repeats or step.body is None else step.body.at,
            named=step.name is not None,
            children=tuple(inner.children),
            claims=step.claims,
            kind="repeat" if repeats else "group",
            step=step,
            sources=sources,
            outputs=outputs,
        )
        frame.children.append(scope)

    def _frame(self, outer: Frame, name: str, source: Value) -> Frame:
        """A body inside another that sees the same names."""
        return Frame(
            outer.names,
            outer.inner(name),
            (source,),
            outer.depth + 1,
            fixed=outer.fixed,
            shared=outer.shared,
            in_group=True,
        )

    # --- branches ----------------------------------------------------------------------------

    def _branches(
        self, step: Step, body: Body, frame: Frame, inputs: tuple[Source, ...] | None
    ) -> tuple[Source, ...] | None:
        """The ends of a step's branches, each of which begins with the step's input."""
        assert step.branches is not None
        self.resolver.branching = True
        if inputs is not None and len(inputs) > 1:
            where, count = step.where("from"), len(inputs)
            self.faults.append(OneInput(where, op="a row with branches", count=count))
            return None
        if inputs is None or self.bounds.is_too_deep(step, frame):
            return None
        if not inputs or inputs[0] is None:
            self._tell_nothing(step, inputs)
            return None
        source = inputs[0]
        ends: list[Source] = []
        before = len(self.faults)
        frame.depth += 1
        for branch in step.branches:
            frame.previous, frame.doubt = source, None
            if isinstance(branch, Body):
                self._steps(branch, frame)
                self.resolver.ask_about(frame, None, branch.at)
                ends.append(frame.previous)
            elif _is_beside(branch):
                ends += self._beside(branch, body, frame, source)
            else:
                ends.append(self._end(branch, body, frame))
        frame.depth -= 1
        if not ends and step.branches and len(self.faults) == before:  # else why has been told
            problem = f"every branch of {_called(step)} is left out"
            self.faults.append(NothingArrives(step.where("branches"), problem=problem))
        if len(set(ends)) < len(ends):
            self.faults += standing.in_branches(step, ends, source)
        return tuple(ends) or None

    def _end(self, branch: Step, body: Body, frame: Frame) -> Source:
        """The end of a branch that is one step: where that is left out, what it stands for."""
        given = self._step(branch, body, frame)
        if isinstance(given, Given) and given.problem:
            problem = f"{_called(branch)} {given.problem}"
            self.faults.append(NothingArrives(branch.at, problem=problem, help=given.help))
        return value_of(given)

    def _beside(self, step: Step, body: Body, frame: Frame, source: Value) -> list[Source]:
        """The ends of branches of one row: a group of its name, or in the body itself."""
        self.bounds.count(step, frame)
        rows = self.conditions.beside(step, frame)
        if self.bounds.stopped:
            return []
        grouped = step.name is not None and "{" not in step.name
        inner, name = frame, step.name
        if grouped:
            assert step.name is not None
            name = self.resolver.own_name(step, step.name, frame)
            inner = self._frame(frame, name, source)
            inner.around = frame.lookup
        start = len(self.leaves.nodes)
        once = step._replace(name=None, claims=()) if grouped else step
        own = None if grouped else step.name
        with inner.turning(rows):
            found = self._iterate_beside(once, body, inner, rows, own, source)
        ends = [*found.values()]
        said = step.control is not None and step.control.otherwise is not None
        if not ends and said and not rows:
            frame.previous = source
            return [value_of(self._drop(step, body, frame, step.name))]
        if not grouped:
            return ends
        assert name is not None
        if not ends:
            frame.taken.discard(name)
            return []
        read = _read_outside(inner.children, start) or (source,)
        self._close(inner, step, name, frame, read, _present(ends) or (source,))
        problem, help_ = f"are {len(ends)} branches", f"read `{name}.0`, or all of them, `{name}.*`"
        parts: dict[str, Source | Given] = {str(index): end for index, end in found.items()}
        frame.outputs[name] = Given(None, parts, tuple(ends), problem, help_)
        return ends

    def _iterate_beside(
        self,
        step: Step,
        body: Body,
        frame: Frame,
        rows: Sequence[Row],
        name: str | None,
        source: Value,
    ) -> dict[int, Source]:
        """A step for each row, each of which reads the same; what each gives, by its number."""
        names = frame.names
        ends: dict[int, Source] = {}
        for index, row in enumerate(rows):
            self.bounds.count(step, frame)
            if self.bounds.is_over():
                break
            names.update(row)
            names["i"] = names["j"] = index
            frame.previous = source
            if self.conditions.wanted(step, frame):
                ends[index] = value_of(self._once(step, body, frame, name))
            elif step.control is not None and step.control.otherwise is not None:
                ends[index] = value_of(self._drop(step, body, frame, name))
        return ends

    # --- ops and blocks ----------------------------------------------------------------------

    def _op(
        self, step: Step, body: Body, name: str, frame: Frame, inputs: tuple[Source, ...]
    ) -> Source | Given:
        block, cls, head = None, None, None
        if step.op is not None:
            cls = OPS_BY_NAME.get(step.op)
            if cls is None:
                self.resolver.see_channels(frame, step)
                op = self.leaves.referred(step.op, step.where("op"), frame.names)
                if isinstance(op, str):
                    head = op if isinstance(op, Configured) else None
                    cls, block = OPS_BY_NAME.get(str(op)), self.spec.blocks.get(str(op))
                    if cls is None and block is None:
                        self.faults.append(self._no_such_op(step, op, frame))
                elif op is False:
                    self.faults.append(self._no_such_op(step, step.op, frame))
        if block is not None:
            keys = None if step.keys is None else self.resolver.keys(step, body, frame)
            scope = self.blocks.use(step, block, name, frame, inputs, keys, self._steps)
            if scope is None and self.bounds.stopped:
                return frame.previous
            if scope is None:
                value = self._unknown(step, name, frame, _present(inputs) or (frame.previous,))
                frame.previous = value
                return Given(value, is_unknown=True)
            frame.children.append(scope)
            frame.previous = scope.outputs[0]
            if not block.outputs:
                return frame.previous
            return by_name(name, scope)
        return self._row(step, cls, head, name, frame, inputs)

    def _row(
        self,
        step: Step,
        cls: type[Op] | None,
        head: Configured | None,
        name: str,
        frame: Frame,
        inputs: tuple[Source, ...],
    ) -> Value:
        """A row of an op, of which `none` may be an input where it merges."""
        present = _present(inputs)
        if step.keys is not None and cls is not None:
            problem = f"{cls.op_name} has no inputs with names: write a list, `from: [a, b]`"
            self.faults.append(InvalidValue(step.where("from"), problem=problem))
        merges = cls is not None and cls.arity == "several"
        fewer = len(present) < max(len(inputs), _terms(step) if merges else 1)
        if fewer and cls is not None and (not merges or not present):
            frame.previous = self._unknown(step, name, frame, (frame.previous,), inputs)
        elif fewer and merges and len(present) == 1:
            self._tell_lost(step)
            frame.previous = present[0]
            frame.numbers += 1
        else:
            if merges and len(inputs) == 1 and _terms(step) == 1 and step.inputs:
                read = shorten(step.inputs[0])
                self.faults.append(MergeOfOne(step.where("from"), op=step.op, read=read))
            if merges and frame.lookup.standing and len(set(present)) < len(present):
                self.faults += standing.in_names(step, frame, self.resolver)
            self.leaves.row(step, cls, name, present or (frame.previous,), frame, head)
        return frame.previous

    def _no_such_op(self, step: Step, written: str, frame: Frame) -> Diagnostic:
        help_ = suggest_op(written, [*OPS_BY_NAME, *self.spec.blocks])
        help_ = hidden_op(written, frame.names) or help_
        if written in frame.names and not isinstance(frame.names[written], Word):
            found = describe(frame.names[written])
            help_ = f"the variable `{shorten(written)}` is {found}, not the name of an op or block"
        return UnknownOp(step.where("op"), op=shorten(written), help=help_)

    def _unknown(
        self,
        step: Step,
        name: str,
        frame: Frame,
        inputs: tuple[Value, ...],
        read: tuple[Source, ...] | None = None,
    ) -> Value:
        """A step about which nothing can be said; `read` is what it reads, where that is none."""
        if read is not None:
            self._tell_nothing(step, read)
        path = frame.inner(name)
        return self.leaves.add(step, name, path, step.op or "", None, {}, inputs[:1], frame)

    def _tell_lost(self, step: Step) -> None:
        """Say of a merge of one what cannot be: no step is there that it could hold of."""
        if "alpha" in step.attributes:
            problem = "`alpha` weighs the second term, and all terms but one are left out"
            self.faults.append(InvalidValue(step.where("alpha"), problem=problem))
        for claim in step.claims:
            problem = "there is no step to claim this of: all terms but one are left out"
            self.faults.append(InvalidValue(claim.at, problem=problem))

    def _tell_nothing(self, step: Step, read: tuple[Source, ...]) -> None:
        """Say of a step that what it reads is left out, or something of it."""
        if len(read) != 1 and not _present(read):
            problem = (
                f"nothing arrives at {_called(step)}: everything it brings together is left out"
            )
        else:
            problem = f"{_called(step)} reads what is left out and stands for nothing"
        where = step.where("from" if step.inputs else "branches" if step.branches else "op")
        self.faults.append(NothingArrives(where, problem=problem))


def _called(step: Step) -> str:
    """What a message calls a row."""
    return f"`{shorten(step.name)}`" if step.name else f"the row of {shorten(step.op or 'a group')}"


def _terms(step: Step) -> int:
    """How many steps a row names; what may be any number, `conv.*` or `beside`, counts as two."""
    if step.branches is not None:
        return sum(2 if _is_beside(branch) else 1 for branch in step.branches)
    return sum(2 if text.endswith(".*") else 1 for text in step.inputs or ())


def _is_beside(branch: Step | Body) -> bool:
    control = None if isinstance(branch, Body) else branch.control
    return control is not None and control.beside is not None


def _present(inputs: Sequence[Source]) -> tuple[Value, ...]:
    return tuple([value for value in inputs if value is not None])


def _steadiness(step: Step) -> bool | None:
    """Whether each place of a repeated row is given the same whatever its number is.

    None where it may not be there, or have something else beside its op.
    """
    conditional = step.control is None or step.control.when is not None
    if conditional or step.branches is not None or step.init is not None or step.body is not None:
        return None
    if not words_in(step.op).isdisjoint({"i", "j"}):
        return None
    return words_in(step.attributes, step.sugar).isdisjoint({"i", "j"})


def _whole(given: Source | Given) -> Given:
    return given if isinstance(given, Given) else Given(given)


def _read_outside(children: Sequence[Scope | Node], start: int) -> tuple[Value, ...]:
    """What steps read that is made before them."""
    read = (c.sources if isinstance(c, Scope) else c.inputs for c in children)
    return tuple(dict.fromkeys(value for values in read for value in values if value.node < start))
