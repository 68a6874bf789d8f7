"""A body read as data flow: the items that its steps are, and what their names stand for."""

import re
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Any, NamedTuple, TypeAlias

from archspec.diagnostics import SpecPath
from archspec.graph.network import INPUT_NAME
from archspec.graph.resolve import (
    ALL,
    CHOICE,
    NONE,
    PREVIOUS,
    chosen,
    holds_everywhere,
    speaks_of_places,
)
from archspec.graph.words import words_in
from archspec.language.model import Block, Body, Output, Step
from archspec.language.rows import SUGAR
from archspec.ops import OPS_BY_NAME
from archspec.targets.python.arithmetic import simplify
from archspec.targets.python.tree import (
    Boolean,
    Expr,
    Literal,
    Name,
    Subscript,
    Unary,
    names_in,
)
from archspec.targets.torch.names import usable_argument
from archspec.targets.torch.rows.forward import TENSOR, Forward
from archspec.targets.torch.rows.gathered import as_list, gathered_in
from archspec.targets.torch.rows.modules import Modules
from archspec.targets.torch.rows.unit import CannotWrite, Unit, When
from archspec.targets.torch.rows.unrolled import beside_each_other, iterations
from archspec.targets.torch.rows.uses import channels_name
from archspec.targets.torch.rows.variables import Item

_PATH = re.compile(r"([\w-]+)\.[\w*{]")
MISSING = -(10**6)


class Parts(NamedTuple):
    """What a name stands for that has parts: alone, behind a path, and all of its places."""

    alone: int | None
    parts: "Mapping[str, Known]"
    places: tuple[int | None, ...] = ()


Known: TypeAlias = "int | Parts | None"
"""What a name stands for: a value, nothing, or something with parts."""


def is_unrolled(step: Step) -> bool:
    """Whether a step is repeated without being a group of its own."""
    return step.spread and (step.name is None or "{" in step.name)


class Reading(Forward):
    """Reads a body: what each step reads, and under which names its values are known."""

    def __init__(self, unit: Unit, modules: Modules) -> None:
        super().__init__(unit)
        self.modules = modules
        self.names: dict[str, Known] = {}
        self.source = 0  # what `input` stands for
        self.depth = 0  # of groups that are none in code
        self.within: set[int] = set()  # the values of what stands in such
        self.bound: dict[SpecPath, Mapping[str, Expr]] = {}  # names of loops, by unrolled step
        self.count = 1
        self.channels: dict[int, Expr] = {}
        self.dropped: set[str] = set()  # names of steps that are not there
        self.by_name: set[SpecPath] = set()  # the rows that nothing reads but by their name
        self.parameters: dict[str, Expr] = {self.first: TENSOR}  # of forward
        self.apart: frozenset[str] = frozenset()  # steps of which a part is read
        self.may_gather: frozenset[str] = frozenset()  # names of what a loop may call
        self.place = ""  # the list of modules that the steps are in
        self.inside: tuple[str, ...] = ()  # the groups whose steps are called one by one
        self.groups: dict[str, tuple[Step, int]] = {}  # the outermost of these, and what they read
        self.held: set[str] = set()  # those lists that hold parameters, and so modules alone

    def read_body(self, body: Body, block: Block | None) -> int:
        """Collect the steps of a body, which may be that of a block; the value that leaves it."""
        if block is not None and block.inputs:
            self._take(block)
        outputs = () if block is None else block.outputs
        self.apart = _read_by_paths(body, outputs)
        self.may_gather = gathered_in(body, outputs, self.facts.plain_blocks)
        return self._steps(body.steps, 0)

    def _take(self, block: Block) -> None:
        """The values that arrive at a block: one, several by name, lists among them."""
        self.names = dict.fromkeys(block.inputs)
        first, *others = block.inputs
        if self.first in others and usable_argument(first):
            self.first = first
            self.parameters = {first: TENSOR}
        lists: dict[str, list[int]] = {}
        for i, name in enumerate(self.facts.inputs_of(block.name)):
            if name in block.lists and name == next(iter(block.inputs)):
                raise CannotWrite(block.at, f"`{name}`, its first input, is a list")
            if name in block.lists:
                lists.setdefault(name, []).append(-i)
            else:
                self.names[name] = -i
            if not i:
                continue
            usable = usable_argument(name) or (name == "x" and self.first != "x")
            own = name if usable and name != self.first else f"{name}_"
            channels: Expr = Name(channels_name(name))
            self.exprs[-i] = Name(own)
            if name in lists:
                index = Literal(len(lists[name]) - 1)
                self.exprs[-i], channels = Subscript(Name(own), index), Subscript(channels, index)
            kind = Subscript(Name("Sequence"), TENSOR) if name in lists else TENSOR
            self.parameters.setdefault(own, kind)
            self.channels[-i] = channels
        for name, values in lists.items():
            parts = {str(i): value for i, value in enumerate(values)}
            self.names[name] = Parts(None, parts, tuple(values))

    def outputs_of(self, outputs: Sequence[Output]) -> list[tuple[str, int]]:
        """What a block gives back: name and value."""
        reader = Step((), None, None, {}, {}, inputs=tuple(output.of for output in outputs))
        values = self._inputs(reader, 0)
        if len(values) != len(outputs):
            raise CannotWrite((), "an output is nothing")
        return [(output.name, value) for output, value in zip(outputs, values, strict=True)]

    def _steps(self, steps: Sequence[Step], previous: int) -> int:
        for step, following in zip_longest(steps, steps[1:]):
            if following is not None and _reads_by_name(following):
                self.by_name.add(step.at)
            if is_unrolled(step):
                previous = self._unrolled(step, previous)
            else:
                previous = self._step(step, previous)
        return previous

    def _unrolled(self, step: Step, previous: int) -> int:
        """A repeated step without a group of its own: every repetition is a step."""
        if not (found := iterations(self.unit, step)):
            return previous
        for once, bound in found:
            self.bound[once.at] = bound
            with self.modules.standing_for(bound):
                previous = self._step(once, previous)
        return previous

    def _step(self, step: Step, previous: int, arriving: tuple[int, ...] | None = None) -> int:
        when = self.modules.condition(step)
        if not isinstance(when, bool) and self.facts.is_of_its_kind(step, self.unit.block):
            when = True
        alone = when is True and self._is_one_of(step)
        if when is False or not (alone or self.facts.is_there(step)):
            self._leave_out(step, previous)
            return previous
        if step.spread and self._is_apart(step):
            gathers = step.name in self.may_gather and self._gathers(step)
            return self._gathered(step, previous) if gathers else self._places(step, previous)
        inputs = self._read(step, previous) if arriving is None else arriving
        if len(inputs) == 1 and alone:
            self.names[step.name or self._number(step)] = inputs[0]
            return inputs[0]
        if step.body is not None and self._is_transparent(step):
            value = self.names[self._number(step)] = self._inside(step.body, inputs[0])
            return value
        if step.body is not None and self._is_gone_through(step):
            return self._through(step, step.body, inputs[0])
        passes = previous if len(inputs) > 1 else inputs[0]
        other = passes if isinstance(when, bool) else self._otherwise(step, passes)
        if other != passes:
            if self.facts.is_always_there(step, self.unit.block):
                when = True
            elif other is not None and step.at in self.by_name:
                passes = other
            else:
                self._may_be_no_term(step)
        return self._items(step, inputs, when, passes)

    def _items(self, step: Step, inputs: tuple[int, ...], when: When, passes: int) -> int:
        """The item of a step, and those that it carries along."""
        previous = self._item(step, "", inputs, when, passes)
        for role in () if step.spread else SUGAR:
            if self.facts.nodes_of(step, role):
                carried = _both(when, self.modules.carried_when(step, role) or True)
                previous = self._item(step, role, (previous,), carried)
        item = self.items[-1]
        self.names[step.name or self._number(step)] = (
            Parts(item.value, dict(zip(item.outputs, item.values, strict=True)))
            if item.values
            else previous
        )
        return previous

    def _is_gone_through(self, step: Step) -> bool:
        """Whether the steps of a group are called one by one, since a part of it is read."""
        return not step.spread and (bool(self.inside) or step.name in self.apart)

    def _through(self, step: Step, body: Body, source: int) -> int:
        """A group of which a part is read: `self.backbone.layer1(x)`."""
        conditional = step.control is not None and step.control.when is not None
        if conditional or self.place or self.modules.needs_class(body):
            raise CannotWrite(step.at, "a part of it is read, and it is no chain")
        own = step.name or self._number(step)
        if not self.inside:
            self.groups[own] = (step, source)
        names, before = self.names, self.source
        self.names, self.source, self.inside = {}, source, (*self.inside, own)
        value = self._steps(body.steps, source)
        inner = self.names
        self.names, self.source, self.inside = names, before, self.inside[:-1]
        self.names[own] = Parts(value, inner)
        return value

    def _read(self, step: Step, previous: int) -> tuple[int, ...]:
        """What a step reads: what it names, or the ends of its branches."""
        inputs = self._inputs(step, previous)
        if step.branches is not None:
            ends = [end for branch in step.branches for end in self._ends(branch, inputs[0])]
            inputs = tuple(end for end in ends if end is not None)
        if not inputs:
            raise CannotWrite(step.at, "no form is known for anything that it reads")
        return inputs

    def _may_be_no_term(self, step: Step) -> None:
        """Note of the next item that a merge brings it together where it is there."""
        assert step.control is not None
        if step.control.otherwise != NONE or step.name is None or step.spread:
            raise CannotWrite(step.at, "it is left out in some objects, for another step")
        if any(self.facts.nodes_of(step, role) for role in SUGAR):
            raise CannotWrite(step.at, "it is left out in some objects, with what it carries along")
        self.optional.add(self.count)
        self.terms.add(self.count)

    def _is_apart(self, step: Step) -> bool:
        """Whether the places of a repeated step read, or are read, one by one."""
        columns = [name for row in self.facts.rows_of(step, self.unit.block) for name in row]
        if holds_everywhere(step, columns) or step.name in self.apart:
            return True
        blocks = [self.facts.spec.blocks[name] for name in self.facts.blocks_of(step)]
        return any(len(block.inputs) > 1 or len(block.outputs) > 1 for block in blocks)

    def _places(self, step: Step, previous: int) -> int:
        """A repeated step as a list of modules, each called for itself."""
        assert step.name is not None
        columns = [name for row in self.facts.rows_of(step, self.unit.block) for name in row]
        chains = not speaks_of_places(step, columns)
        found = iterations(self.unit, step)
        parts: dict[str, Known] = {}
        places: list[int | None] = []
        last: Known = None
        for once, bound in found:
            values = tuple(last.parts.values()) if chains and isinstance(last, Parts) else ()
            whole = len(values) > 1 and all(isinstance(value, int) for value in values)
            arriving = tuple(v for v in values if isinstance(v, int)) if whole else None
            if whole and not self._chains(once):
                arriving = None
            previous, last = self._in_list(step.name, once, bound, previous, arriving)
            parts[_turn(once)] = last
            places.append(previous)
        if not found:
            self._leave_out(step, previous)
            return previous
        outputs = last.parts if isinstance(last, Parts) else {}
        self.names[step.name] = Parts(previous, {**outputs, **parts}, tuple(places))
        return previous

    def _gathers(self, step: Step) -> bool:
        """Whether a loop may call the places, each of which gives as many channels."""
        saved = self.unit.save()
        before = len(self.unit.statements)
        arriving = self.unit.fresh("channels")
        self.unit.whole.add(arriving)
        module, out = self.modules.repeated(step, Name(arriving))
        listed = as_list(module) is not None and len(self.unit.statements) == before
        self.unit.restore(saved)
        return listed and (out == Name(arriving) or arriving not in names_in(out))

    def _gathered(self, step: Step, previous: int) -> int:
        """A repeated step whose places a loop calls: one value, which is all of theirs."""
        assert step.name is not None
        value = self._item(step, "", self._inputs(step, previous), when=True)
        self.gathered[value] = step
        self.names[step.name] = Parts(None, {}, (value,))
        return value

    def _chains(self, step: Step) -> bool:
        """Whether a block gives as many values as it takes."""
        blocks = [self.facts.spec.blocks[name] for name in self.facts.blocks_of(step)]
        return bool(blocks) and all(len(b.inputs) == len(b.outputs) > 1 for b in blocks)

    def _in_list(
        self,
        place: str,
        once: Step,
        bound: Mapping[str, Expr],
        previous: int,
        arriving: tuple[int, ...] | None = None,
    ) -> tuple[int, "Known"]:
        """One place of a list of modules: its value, and what its number stands for."""
        self.bound[once.at] = bound
        names, outer, self.place = self.names, self.place, place
        if outer:
            raise CannotWrite(once.at, "there are lists of modules in each other")
        self.names = dict(names)
        if self.facts.holds_tensors(once):
            self.held.add(place)
        with self.modules.standing_for(bound):
            value = self._step(once, previous, arriving)
        known = self.names.get(self._number(once))
        self.names, self.place = names, outer
        return value, known

    def _ends(self, branch: Step | Body, source: int) -> list[int | None]:
        """The values at the ends of a branch, None where one stands for nothing."""
        if isinstance(branch, Body):
            return [self._steps(branch.steps, source)]
        if branch.control is not None and branch.control.beside is not None:
            return [*self._beside(branch, source)]
        if branch.name is None or self.facts.is_there(branch):
            return [self._step(branch, source)]
        self._leave_out(branch, source)
        known = self.names[branch.name]
        return [None if known is None else self._value(branch, branch.name, source)]

    def _beside(self, branch: Step, source: int) -> list[int]:
        """The ends of the branches that one row stands for."""
        found = beside_each_other(self.unit, branch)
        ends: list[int] = []
        parts: dict[str, Known] = {}
        grouped = branch.name is not None and "{" not in branch.name
        for once, bound in found:
            if grouped:
                assert branch.name is not None
                value, parts[_turn(once)] = self._in_list(branch.name, once, bound, source)
                ends.append(value)
                continue
            self.bound[once.at] = bound
            with self.modules.standing_for(bound):
                ends.append(self._step(once, source))
        if not found and branch.control is not None and branch.control.otherwise is not None:
            stands_for = self._otherwise(branch, source)
            return [] if stands_for is None else [stands_for]
        if grouped and branch.name is not None:
            self.names[branch.name] = Parts(None, parts, tuple(ends))
        return ends

    def _leave_out(self, step: Step, previous: int) -> None:
        """Note what the name of a step stands for that is in no object of the class."""
        if step.name is None or "{" in step.name:
            return
        self.names[step.name] = self._otherwise(step, previous)
        if step.control is not None and step.control.otherwise is None:
            self.dropped.add(step.name)

    def _otherwise(self, step: Step, previous: int) -> int | None:
        """What the name of a step stands for where it is left out."""
        written = None if step.control is None else step.control.otherwise
        if written is not None:
            found = self._inputs(step._replace(inputs=(written,), keys=None), previous)
            return found[0] if found else None
        if step.branches is not None or len(step.inputs or ()) > 1:
            return previous  # a merge: nobody reads its name then
        found = self._inputs(step, previous)
        return found[0] if found else None

    def _is_one_of(self, step: Step) -> bool:
        """Whether a merge has come to one of what it brings together: nothing is done then."""
        cls = OPS_BY_NAME.get(step.op or "")
        merges = cls is not None and cls.arity == "several" and not step.spread
        return merges and not self.facts.nodes_of(step)

    def _number(self, step: Step) -> str:
        """What an unnamed step is called in its body: its number."""
        names = {leaf.node.name for leaf in self.facts.nodes_of(step)}
        for kind in ("group", "block", "repeat"):
            names |= {inner.scope.name for inner in self.facts.scopes.get((step.at, kind), ())}
        return names.pop() if len(names) == 1 else ""

    def _inside(self, body: Body, source: int) -> int:
        """The steps of a group that is none in code; it has names and an input of its own."""
        names, before, depth = self.names, self.source, self.depth
        self.names, self.source, self.depth = {}, source, depth + 1
        value = self._steps(body.steps, source)
        self.names, self.source, self.depth = names, before, depth
        return value

    def _is_transparent(self, step: Step) -> bool:
        """Whether a group has no name and nothing whose name it would be part of."""
        if step.body is None or step.name is not None or step.control is not None:
            return False
        inner = self.facts.scopes.get((step.at, "group"), [])
        nodes = (node for i in inner for node in i.scope.nodes())
        return not any(node.named or node.module.tensors for node in nodes)

    def _inputs(self, step: Step, previous: int) -> tuple[int, ...]:
        """The values that a step reads, without what is left out and stands for nothing."""
        if step.inputs is None:
            return (previous,)
        texts = step.inputs if step.keys is None else self._in_order(step)
        values = (value for text in texts for value in self._values(step, text, previous))
        return tuple(value for value in values if value is not None)

    def _in_order(self, step: Step) -> tuple[str, ...]:
        """What is given to a block by name, in the order of its inputs."""
        blocks = [self.facts.spec.blocks[name] for name in self.facts.blocks_of(step)]
        ordered = {tuple(block.inputs) for block in blocks}
        if len(ordered) != 1:
            raise CannotWrite(step.at, "its inputs differ from block to block")
        given: dict[str, list[str]] = {}
        for key, text in zip(step.keys or (), step.inputs or (), strict=True):
            given.setdefault(key, []).append(text)
        return tuple(text for name in ordered.pop() for text in given.get(name, ()))

    def _value(self, step: Step, text: str, previous: int) -> int | None:
        """The value behind one text of `from`."""
        values = self._values(step, text, previous)
        if len(values) != 1:
            raise CannotWrite(step.at, f"`{text}` is no single value")
        return values[0]

    def _values(self, step: Step, text: str, previous: int) -> tuple[int | None, ...]:
        """The values behind one text of `from`, which are several behind `.*`."""
        read = self._chosen(text)
        if read is None:
            return (self._either(step, text, previous),)
        text = read
        if text in (NONE, PREVIOUS):
            return (None if text == NONE else previous,)
        head, *path = text.split(".")
        known: Known = self.source if head == INPUT_NAME else self.names.get(head, MISSING)
        if known == MISSING:
            raise CannotWrite(step.at, f"`{text}` is no name that can be followed")
        if path[-1:] == [ALL]:
            return known.places if isinstance(known, Parts) else ()  # repeated no times
        for part in path:
            if not isinstance(known, Parts) or part not in known.parts:
                raise CannotWrite(step.at, f"`{text}` is a part of what is one module")
            known = known.parts[part]
        return (known.alone if isinstance(known, Parts) else known,)

    def _either(self, step: Step, text: str, previous: int) -> int:
        """The value of a choice between a step and the one that is there in its place.

        The later of the two is what is read: where it is left out, the other goes on.
        """
        choice = CHOICE.fullmatch(text.strip())
        assert choice is not None
        first, second = (self._value(step, choice[place], previous) for place in (1, 3))
        condition = self.unit.condition(choice[2])
        if first is not None and second is not None and isinstance(condition, Expr):
            other = simplify(Unary("not", condition))
            for value, before, when in ((first, second, condition), (second, first, other)):
                made = [item for item in self.items if item.value == value]
                if before < value and made and made[0].when == when:
                    start = next(item for item in self.items if item.step is made[0].step)
                    start.passes = before
                    self.optional.discard(start.value)
                    self.terms.discard(start.value)
                    return value
        raise CannotWrite(step.at, "what it reads differs from object to object")

    def _chosen(self, text: str) -> str | None:
        """What a choice comes to; None where it is not the same in every object of the class."""
        bound = self.unit.bound.items()
        turn: dict[str, Any] = {
            name: expr.value for name, expr in bound if isinstance(expr, Literal)
        }

        def holds(condition: str) -> bool | None:
            found = {
                bool(self.facts.value_of(condition, {**names, **turn}))
                for names in self.facts.environments(self.unit.block)
            }
            return found.pop() if len(found) == 1 else None

        return chosen(text, holds)

    def _item(
        self, step: Step, role: str, inputs: tuple[int, ...], when: When, passes: int | None = None
    ) -> int:
        trained_only = self.unit.block == "" and not self.facts.is_evaluated(step)
        through = inputs[0] if passes is None else passes
        item = Item(step, role, inputs, self.count, when, trained_only, through)
        item.place, item.inside = self.place, self.inside
        self.items.append(item)
        if self.depth:
            self.within.add(item.value)
        item.outputs = () if role else self._outputs_of(step)
        self.count += max(1, len(item.outputs))
        item.values = tuple(range(item.value, self.count)) if item.outputs else ()
        return item.value

    def _outputs_of(self, step: Step) -> tuple[str, ...]:
        """The names of what a block gives, where that is more than one value."""
        blocks = [self.facts.spec.blocks[name] for name in self.facts.blocks_of(step)]
        found = {tuple(output.name for output in block.outputs) for block in blocks}
        names = found.pop() if found else ()
        if found or (len(names) > 1 and step.spread):
            raise CannotWrite(step.at, "it gives several values, one after the other")
        return names if len(names) > 1 else ()

    def may_be_missing(self, value: int) -> bool:
        """Whether what gives a value is there in some objects of the class only."""
        return any(i.value == value and not isinstance(i.when, bool) for i in self.items)


def _reads_by_name(step: Step) -> bool:
    """Whether a row is always there, and does not read the one before it as that."""
    alone = step.control is None or (step.control.when is None and not step.spread)
    return alone and step.inputs is not None and PREVIOUS not in words_in(step.inputs)


def _turn(once: Step) -> str:
    """Which place of a repeated row a step is, by `j`: `#2` ends where it stands."""
    return str(once.at[-1]).removeprefix("#")


def _read_by_paths(body: Body, outputs: Sequence[Output]) -> frozenset[str]:
    """The names behind which a path leads to a part."""
    texts: list[str] = [output.of for output in outputs]
    pending: list[Step | Body] = [body]
    while pending:
        item = pending.pop()
        if isinstance(item, Body):
            pending += item.steps
            continue
        texts += item.inputs or ()
        texts += [item.control.otherwise or ""] if item.control is not None else []
        pending += item.branches or ()
    return frozenset(head for text in texts for head in _PATH.findall(text))


def _both(one: When, other: When) -> When:
    """Both conditions, neither being False."""
    if one is True or other is True:
        return other if one is True else one
    assert isinstance(one, Expr)
    assert isinstance(other, Expr)
    return Boolean("and", (one, other))
