"""A use of a block: what it is given, what arrives at it, and what it became."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from archspec.diagnostics import SpecPath
from archspec.diagnostics.foreign import FOLLOWING, suggest_key
from archspec.diagnostics.language import (
    InvalidValue,
    MissingKey,
    NothingArrives,
    RecursiveBlock,
    UnknownKey,
)
from archspec.diagnostics.wording import did_you_mean
from archspec.expressions import UNKNOWN, extent
from archspec.expressions import Value as Worth
from archspec.graph.arriving import CHANNELS, SIZES, seen
from archspec.graph.bounds import Bounds
from archspec.graph.copies import Alike, Copy, Walked, elsewhere
from archspec.graph.declared import references
from archspec.graph.frame import Frame, Given, Source, a_list
from archspec.graph.inputs import MAX_LIST, Arriving, Inputs, names_of, values_of
from archspec.graph.least import weight
from archspec.graph.leaves import Leaves
from archspec.graph.network import Memory, Node, Scope, Value
from archspec.graph.resolve import Resolver
from archspec.graph.values import PLAIN, evaluate, following_fault, shorten
from archspec.graph.words import words_in
from archspec.language.model import Block, Body, Spec, Step
from archspec.language.rows import MAX_FAULTS
from archspec.ops import Shape, channels_of

Leaving = tuple[tuple[Value, ...], tuple[str, ...]]
"""The values that a block gives, and the name of the output that each belongs to."""


class Blocks:
    """Makes of a row what its block says."""

    def __init__(
        self,
        leaves: Leaves,
        resolver: Resolver,
        bounds: Bounds,
        memory: Memory,
    ) -> None:
        self.leaves = leaves
        self.resolver = resolver
        self.bounds = bounds
        self.faults = leaves.faults
        self.references = references(leaves.spec)
        self.inputs = Inputs(self.references, leaves.faults)
        self.open: list[tuple[str, Any]] = []  # the blocks that the walk is in, and how
        self.sized = memory.sized
        self.used = memory.used
        # The blocks so far that nothing was wrong with; they see the spec's `init` and defaults.
        seen = repr((leaves.init, leaves.read_by_defaults()))
        self.walked: dict[Any, Walked] = memory.blocks.setdefault(seen, {})

    def use(
        self,
        step: Step,
        block: Block,
        name: str,
        frame: Frame,
        inputs: tuple[Source, ...],
        keys: tuple[str, ...] | None,
        walk: Callable[[Body, Frame], None],
    ) -> Scope | None:
        """The scope of a block where a row uses it; None where nothing can be said about it.

        `walk` goes through a body.
        """
        self.used.add(block.name)
        least = self.bounds.counter.block(block)
        if self.bounds.is_too_deep(step, frame) or self.bounds.is_too_much(step, least):
            return None
        if step.init is not None:
            problem = f"the parameters of {block.name} belong to the rows in it; write `init` there"
            self.faults.append(InvalidValue(step.where("init"), on_key=True, problem=problem))
        before = len(self.faults)
        first = self.leaves.flow(inputs[0]) if inputs and inputs[0] is not None else None
        arguments = self._arguments(step, block, frame, first)
        faulty = any(fault.severity == "error" for fault in self.faults[before:])
        if faulty or len(arguments) < len(block.args):  # why has been told
            return None
        arriving = self.inputs.of(step, block, name, inputs, keys, arguments)
        if arriving is None:
            return None
        sources = values_of(arriving)
        shapes = tuple(map(self.leaves.flow, sources))
        if None in shapes:
            return None
        lists = sum([extent(v)[0] for v in arguments.values() if isinstance(v, list | dict)])
        self.bounds.work += 10 + len(block.vars) + len(self.references) // 16 + len(sources)
        self.bounds.work += lists // ITEMS_AT_ONCE
        given = {**arguments, **self._seen(block, shapes[0] or ())}
        inner = self._frame(block, name, frame, sources, given, arriving)
        key = _key(block, given, arriving, shapes)
        # What it comes to where it stands in itself, it comes to again.
        if key in [use for _, use in self.open] or self._never_ends(block):
            self._tell_cycle(step, block)
            return None
        left = self._again((key, inner.depth), inner)
        if left is None:
            left = self._anew((key, inner.depth), block, inner, walk)
        outputs, gives = left
        return Scope(
            name=name,
            path=inner.path,
            at=block.at,
            named=step.name is not None,
            children=tuple(inner.children),
            claims=step.claims,
            kind="block",
            step=step,
            block=block,
            arguments=given,
            sources=sources,
            outputs=outputs,
            given=names_of(arriving) if block.inputs else (),
            gives=gives,
        )

    def _seen(self, block: Block, shape: Shape) -> dict[str, Worth]:
        """What a block sees of what arrives: height and width only if it ever speaks of them."""
        if block.name not in self.sized:
            self.sized[block.name] = not words_in(block).isdisjoint(SIZES)
        return seen(shape) if self.sized[block.name] else {CHANNELS: channels_of(shape)}

    # --- bounds ------------------------------------------------------------------------------

    def _never_ends(self, block: Block) -> bool:
        """Whether a block that the walk is in contains itself under no condition."""
        if block.name not in [name for name, _ in self.open]:
            return False
        reached: set[str] = set()
        pending = [block]
        while pending:
            found = set(_always_used(pending.pop().body, self.leaves.spec)) - reached
            reached |= found
            pending += [self.leaves.spec.blocks[name] for name in found]
        return block.name in reached

    def _tell_cycle(self, step: Step, block: Block) -> None:
        names = [name for name, _ in self.open]
        last = len(names) - 1 - names[::-1].index(block.name)
        cycle = " → ".join([*names[last:], block.name])
        self.faults.append(RecursiveBlock(step.where("op"), cycle=shorten(cycle)))

    # --- what it is given --------------------------------------------------------------------

    def _arguments(
        self, step: Step, block: Block, frame: Frame, arriving: Shape | None
    ) -> dict[str, Worth]:
        """The values of a block's arguments, in its order; faults where they do not fit."""
        given: dict[str, Any] = {**step.attributes, **step.sugar}
        misspelt = self._unknown(step, block, given, frame, arriving)
        values: dict[str, Worth] = {}
        known: dict[str, Worth] = {}  # what defaults see, where one has to be computed
        for name, default in block.args.items():
            if given.get(name) is not None:
                where = step.where(name)
                value = evaluate(given[name], frame.names, where, self.faults)
            elif default is None and did_you_mean(name) in misspelt:
                continue  # it is there, under another name
            elif default is None:
                help_ = f"for example `{name}: 64`"
                self.faults.append(MissingKey(step.at, owner=block.name, key=name, help=help_))
                continue
            else:
                where = (*block.at, "args", name)
                self.bounds.work += weight(default)
                value = default
                if type(default) not in PLAIN:
                    known = known or {**self.references}
                    known |= values
                    value = evaluate(default, known, where, self.faults)
            if value is not None:
                values[name] = value
        return values

    def _unknown(
        self,
        step: Step,
        block: Block,
        given: Mapping[str, Any],
        frame: Frame,
        arriving: Shape | None,
    ) -> set[str]:
        """Tell of the keys that are no arguments of the block; the help for each of them."""
        misspelt: set[str] = set()
        room = len(self.faults) + MAX_FAULTS
        for key, written in given.items():
            if len(self.faults) > room:
                break
            if key in FOLLOWING and key not in block.args:
                value = evaluate(written, frame.names, step.where(key), self.faults)
                told = following_fault(key, value, step.where(key), arriving)
                self.faults += [told] if told is not None else []
            elif key not in block.args:
                help_ = suggest_key(key, block.args)
                fault = UnknownKey(
                    step.where(key), on_key=step.columns is None, owner=block.name, key=key
                )
                if key in block.inputs:
                    help_ = f"what it reads is named behind `from`: `from: {{{key}: STEP}}`"
                fault.help = help_ or "it takes no arguments"
                misspelt.add(fault.help)
                self.faults.append(fault)
        return misspelt

    def _names(self, block: Block, given: Mapping[str, Worth]) -> dict[str, Worth]:
        """What a block sees: ops and blocks, what it is given, and its own variables."""
        names = {**self.references, **given}
        for local, written in block.vars.items():
            value = evaluate(written, names, (*block.at, "vars", local), self.faults)
            names[local] = UNKNOWN if value is None else value
        return names

    # --- what it became ----------------------------------------------------------------------

    def _frame(
        self,
        block: Block,
        name: str,
        outer: Frame,
        sources: tuple[Value, ...],
        given: dict[str, Worth],
        arriving: Arriving,
    ) -> Frame:
        inputs, depth = tuple(block.inputs), outer.depth + 1
        path = outer.inner(name)
        inner = Frame(given, path, sources, depth, fixed=True, shared=True, inputs=inputs)
        for key in inputs:
            value = arriving[key]
            inner.taken.add(key)
            if isinstance(value, tuple) and not isinstance(value, Value):
                inner.outputs[key] = a_list(key, value)
            else:
                inner.outputs[key] = value
        return inner

    def _anew(
        self, key: Any, block: Block, inner: Frame, walk: Callable[[Body, Frame], None]
    ) -> Leaving:
        """The body of a block, remembered where nothing at all is wrong so far."""
        start, work = len(self.leaves.nodes), self.bounds.work
        inner.names = self._names(block, inner.names)
        self.open.append((block.name, key[0]))
        before = len(self.faults)
        walk(block.body, inner)
        self.open.pop()
        outputs, gives = self._outputs(block, inner)
        for fault in self.faults[before:]:  # another use may have none
            if not fault.path and fault.where[:2] == ("blocks", block.name):
                fault.path = _path_of(fault.where, inner)
        if not self.faults:
            self._remember(inner, key, start, self.bounds.work - work, outputs, gives)
        return outputs, gives

    def _outputs(self, block: Block, inner: Frame) -> Leaving:
        """What a block gives, in order, and the name of each value."""
        if not block.outputs:
            self.resolver.ask_about(inner, None, block.body.at)
            return (inner.previous,), ()
        self.resolver.branching = True  # its last step may be read by nobody
        found: list[Value] = []
        names: list[str] = []
        for output in block.outputs:
            reader = Step(output.at, None, None, {}, {}, inputs=(output.of,))
            read = self.resolver.read(reader, output.of, output.at, block.body, inner)
            there = [value for value in read or () if value is not None]
            if read is not None and (len(there) < len(read) or not there):
                problem = f"the output `{output.name}` of {block.name} is left out"
                self.faults.append(NothingArrives(output.at, problem=problem))
            elif len(there) > 1 and not output.is_list:
                problem = f"the output `{output.name}` is one step, and `{output.of}` are several"
                help_ = "all places of a step are written without a condition: `STEP.*`"
                self.faults.append(InvalidValue(output.at, problem=problem, help=help_))
            found += there or [inner.previous]
            names += [output.name] * max(1, len(there))
            if len(there) > 1 and len(found) > MAX_LIST:
                problem = f"{block.name} gives more than {MAX_LIST} values"
                self.faults.append(InvalidValue(output.at, problem=problem))
                return (inner.previous,) * len(block.outputs), tuple(o.name for o in block.outputs)
        self.bounds.work += len(found)
        return tuple(found), tuple(names)

    def _remember(
        self,
        inner: Frame,
        key: Any,
        start: int,
        work: int,
        outputs: tuple[Value, ...],
        gives: tuple[str, ...],
    ) -> None:
        self.walked[key] = Walked(
            tuple(inner.children),
            inner.path,
            inner.sources,
            outputs,
            gives,
            self.leaves.nodes,
            self.leaves.shapes,
            start=start,
            work=work,
        )

    def _again(self, key: Any, inner: Frame) -> Leaving | None:
        """What a block gives that was walked with the same arguments and inputs, once more."""
        leaves = self.leaves
        walked, start = self.walked.get(key), len(leaves.nodes)
        if walked is None or self.faults:
            return None
        copy = self._copied(walked, inner.path, inner.sources)
        if copy is None:
            return None  # somewhere in there it is too much
        inner.children += copy.children
        if walked.nodes is leaves.nodes:
            leaves.twins += leaves.twins[walked.start : walked.stop]
            return copy.outputs, walked.gives
        self.resolver.branching = True  # perhaps: then it is asked what leads to the outputs
        for node in copy.nodes:
            leaves.adopt(node)
        self._remember(inner, key, start, walked.work, copy.outputs, walked.gives)
        return copy.outputs, walked.gives

    def _copied(self, walked: Walked, path: str, sources: tuple[Value, ...]) -> Copy | None:
        """A copy among the nodes, None where these would be too many."""
        leaves = self.leaves
        if not self.bounds.is_room(walked.stop - walked.start, walked.work):
            return None
        self.bounds.work += walked.work
        copy = Copy(walked, path, sources, len(leaves.nodes))
        leaves.nodes += copy.nodes
        leaves.shapes += walked.given
        leaves.flows += walked.given
        return copy

    # --- places that are alike ---------------------------------------------------------------

    def alike(self, place: Scope | Node, start: int, work: int) -> Alike | None:
        """What every further place of a repeated block is, if what it is given stays as it is.

        `place` is one that reads the place before it; its nodes begin at `start`.
        """
        if not isinstance(place, Scope) or place.block is None or self.faults:
            return None
        if place.block.outputs or len(place.sources) != 1:
            return None
        leaves = self.leaves
        if leaves.flow(place.sources[0]) != leaves.flow(place.outputs[0]):
            return None
        parts = place.children, place.path, place.sources, place.outputs, place.gives
        walked = Walked(*parts, leaves.nodes, leaves.shapes, start=start, work=work)
        return Alike(place, walked, _given_to(place.block, place.arguments))

    def is_given(self, alike: Alike, step: Step, frame: Frame) -> bool:
        """Whether a row hands on what it handed to the places before."""
        block = alike.place.block
        assert block is not None
        arguments = self._arguments(step, block, frame, self.leaves.flow(alike.place.sources[0]))
        return _given_to(block, arguments) == alike.arguments

    def once_more(self, alike: Alike, frame: Frame) -> Value | None:
        """Add a place behind the last one, and what it gives; None where it would be too much."""
        name, walked = frame.number, alike.walked
        path, source = frame.inner(name), (frame.children[-1].output,)
        copy = None if name in frame.taken else self._copied(walked, path, source)
        if copy is None:
            return None
        self.leaves.twins += self.leaves.twins[walked.start : walked.stop]
        frame.children.append(
            elsewhere(alike.place, name, path, copy.children, source, copy.outputs)
        )
        frame.taken.add(name)
        frame.outputs[name] = frame.previous = copy.outputs[0]
        return copy.outputs[0]


ITEMS_AT_ONCE = 4
"""So many items of a list that is handed on are as much work as one that is evaluated."""


def _path_of(where: SpecPath, inner: Frame) -> str:
    """The path of the row of a body that a place is in, or that of the body."""
    for child in inner.children:
        at = child.step.at if isinstance(child, Scope) and child.step is not None else child.at
        if where[: len(at)] == at:
            return child.path
    return inner.path


def _always_used(body: Body, spec: Spec) -> Iterator[str]:
    """The blocks that a body contains under no condition."""
    pending = list(body.steps)
    while pending:
        step = pending.pop()
        if step.control is not None:
            continue
        if step.op is not None and step.op in spec.blocks:
            yield step.op
        for branch in (step.body, *(step.branches or ())):
            pending += branch.steps if isinstance(branch, Body) else [branch] if branch else []


def _key(
    block: Block, given: Mapping[str, Worth], arriving: Arriving, shapes: Sequence[Shape | None]
) -> Any:
    """What a block becomes follows from this, and from how deep it stands."""
    kinds = tuple(map(type, (*shapes, *given.values())))
    if len(arriving) == len(shapes) == 1:
        return (block.name, repr(given), *shapes, *kinds)
    sources = values_of(arriving)
    first: dict[Value, int] = {}  # which of them are the same
    which = tuple([first.setdefault(value, i) for i, value in enumerate(sources)])
    there = tuple(name for name, value in arriving.items() if value is not None)
    return (block.name, repr(given), *shapes, *kinds, which, there)


def _given_to(block: Block, values: Mapping[str, Worth]) -> str:
    """What a block is given, beside what it sees of the shape that arrives."""
    return repr([values.get(name) for name in block.args])


def gives_several(last: Scope | Node) -> bool:
    """Whether a step is a block that gives several values by name."""
    if not isinstance(last, Scope) or last.block is None:
        return False
    return len(last.block.outputs) > 1 or _has_list(last.block)


def chains(children: Sequence[Scope | Node]) -> bool:
    """Whether the last of the steps is a block that gives as many values as it takes."""
    last = children[0] if children else None
    if not isinstance(last, Scope) or last.block is None:
        return False
    if _has_list(last.block):
        return len(last.sources) == len(last.outputs)
    return len(last.block.inputs) == len(last.block.outputs) > 1


def _has_list(block: Block) -> bool:
    """Whether a block gives several values under one name."""
    return any(output.is_list for output in block.outputs)


def leaving(last: Scope | Node) -> tuple[Source, ...]:
    """The values that a block gives, in order."""
    return last.outputs if isinstance(last, Scope) else ()


def by_name(name: str, scope: Scope | Node) -> Given:
    """What the name of a block stands for that gives values by name."""
    assert isinstance(scope, Scope)
    assert scope.block is not None
    values: dict[str, list[Value]] = {}
    for output, value in zip(scope.gives, scope.outputs, strict=True):
        values.setdefault(output, []).append(value)
    parts: dict[str, Source | Given] = {
        output.name: a_list(f"{name}.{output.name}", tuple(values[output.name]))
        if output.is_list
        else values[output.name][0]
        for output in scope.block.outputs
    }
    first = parts[scope.block.outputs[0].name]
    if isinstance(first, Given):
        return Given(None, parts, problem="gives a list", help=first.help)
    return Given(first, parts)
