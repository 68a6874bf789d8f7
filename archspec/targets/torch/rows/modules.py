"""Steps as modules: rows, blocks, groups, and repetition, as the constructor makes them."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import count

from archspec.graph.arriving import NAMES
from archspec.language.model import Body, Control, Step
from archspec.language.rows import SUGAR
from archspec.ops import OPS_BY_NAME, channels_of
from archspec.targets.python.arithmetic import (
    free_names,
    substituted,
)
from archspec.targets.python.text import flat
from archspec.targets.python.tree import (
    Argument as CallArgument,
)
from archspec.targets.python.tree import (
    Call,
    Conditional,
    Expr,
    For,
    Generator,
    If,
    Keyword,
    List,
    Literal,
    Name,
    Starred,
    Tuple,
    call,
    dotted,
    names_in,
    walk,
)
from archspec.targets.torch.length import require
from archspec.targets.torch.rows.arguments import names_in as names_in_written
from archspec.targets.torch.rows.facts import common
from archspec.targets.torch.rows.passes import Passes
from archspec.targets.torch.rows.single import Piece
from archspec.targets.torch.rows.statements import Statements
from archspec.targets.torch.rows.unit import CannotWrite, Unit, When
from archspec.targets.torch.rows.uses import BlockClass, Uses

MAX_DEPTH = 3
"""Groups stand in each other so deep; those further inside get a variable, `group1`."""
_SEQUENTIAL = dotted("nn.Sequential")


class Modules(Uses):
    """Writes the modules of one class.

    `class_of` gives the class of a block, `group_class` that of a group, and what stands for its
    arguments in the class that is written.
    """

    def __init__(
        self,
        unit: Unit,
        class_of: Callable[[str], BlockClass],
        group_class: Callable[[Unit, Step], tuple[BlockClass, Mapping[str, Expr]]],
    ) -> None:
        super().__init__(unit, class_of)
        self.group_class = group_class
        self.running: set[str] = set()  # variables that hold the channels from step to step
        self.built: set[Expr] = set()  # modules made of a list that statements filled

    def pieces(self, step: Step, channels: Expr) -> list[Piece]:
        """The modules of one step: a group, a block, or a row and what it carries along."""
        if step.spread and step.name is not None and "{" not in step.name:
            module, out = self.repeated(step, channels)
            return [Piece(step.name, module, out, step)]
        if step.body is not None:
            module, out = self.group(step, channels)
            return [Piece(step.name, module, out, step)]
        if self.facts.blocks_of(step):
            return [self.use(step, channels)]
        pieces = [self.row(step, "", channels)]
        for role in SUGAR:
            if self.facts.nodes_of(step, role):
                piece = self.row(step, role, pieces[-1].out)
                pieces.append(replace(piece, when=self.carried_when(step, role)))
        return pieces

    # --- bodies ------------------------------------------------------------------------------

    def group(self, step: Step, channels: Expr) -> tuple[Call, Expr]:
        """A group as a module: its steps in a row, or a class where its paths meet."""
        assert step.body is not None
        if not self.needs_class(step.body):
            return self.sequence(step.body.steps, channels)
        self.see(channels)
        cls, given = self.group_class(self.unit, step)
        values = {"in_channels": channels, **given}
        items: list[CallArgument] = [channels] if cls.takes_channels else []
        for argument in sorted(cls.arguments, key=lambda argument: argument.is_flag):
            value = values[argument.key]
            self.unit.use(value)
            items.append(Keyword(argument.name, value) if argument.is_flag else value)
        self.unit.use(channels)
        if cls.out is None:
            scopes = self.facts.scopes[step.at, "group"]
            width = common(
                channels_of(self.facts.shape(inner.network, inner.scope.output)) for inner in scopes
            )
            if width is None:
                raise CannotWrite(step.at, "how many channels leave the group cannot be said")
            return Call(Name(cls.name), tuple(items)), Literal(width)
        names = {argument.name: values[argument.key] for argument in cls.arguments}
        out = substituted(cls.out, {**names, "in_channels": channels})
        return Call(Name(cls.name), tuple(items)), out

    def needs_class(self, body: Body) -> bool:
        """Whether paths meet in a body, or a parameter stands in it: no row of modules does."""
        there = [step for step in body.steps if self.facts.is_there(step)]
        blocks = (self.facts.spec.blocks[b] for step in there for b in self.facts.blocks_of(step))
        if any(len(block.outputs) > 1 for block in blocks):
            return True  # a module in a row gives one value
        return not is_chain(there) or any(
            leaf.op.arity == "several" or any(tensor.name == "" for tensor in leaf.tensors)
            for step in there
            for leaf in self.facts.kinds_of(step)
        )

    def sequence(
        self, steps: Sequence[Step], channels: Expr, head: Expr = _SEQUENTIAL
    ) -> tuple[Call, Expr]:
        """Steps one after the other as one module, and the channels that leave it."""
        there = [step for step in steps if self.facts.is_there(step)]
        saved = self.unit.save()
        simple = self._simple(there, channels, head)
        if simple is not None:
            return simple
        self.unit.restore(saved)
        return Statements(self, there).write(channels, head)

    def _simple(
        self, steps: Sequence[Step], channels: Expr, head: Expr
    ) -> tuple[Call, Expr] | None:
        """All modules inside one call, None where a condition or a loop does not allow that."""
        parts: list[tuple[str | None, Expr | Starred]] = []
        for step in steps:
            self.see(channels)
            when = self.condition(step)
            if when is False:
                continue
            found = self._parts(step, channels) if when is True else None
            if found is None:
                return None
            inside, channels = found
            parts += inside
            require(len(parts))  # each has a line
        loops = any(isinstance(part, Starred) for _, part in parts)
        by_position = all(name in (None, str(i)) for i, (name, _) in enumerate(parts))
        spread = len(parts) > 1 and not (loops and len(parts) == 2)
        if by_position:
            return Call(head, tuple(part for _, part in parts), spread=spread), channels
        if loops:
            return None
        pairs = tuple(
            Tuple((Literal(str(i) if name is None else name), part))
            for i, (name, part) in enumerate(parts)
            if not isinstance(part, Starred)
        )
        return Call(head, (call("OrderedDict", List(pairs, spread=spread)),)), channels

    def _parts(
        self, step: Step, channels: Expr
    ) -> tuple[list[tuple[str | None, Expr | Starred]], Expr] | None:
        """What a step puts into a call, and the channels behind it; None for statements."""
        if step.spread and step.name is None:
            found = self._comprehension(step, channels)
            return None if found is None else ([(None, found[0])], found[1])
        if step.spread and "{" in (step.name or ""):
            return None
        pieces = self.pieces(step, channels)
        self.require_modules(pieces)
        if any(self.is_built(piece.module) or piece.when for piece in pieces):
            return None
        return [(piece.name, self._within(piece.module)) for piece in pieces], pieces[-1].out

    @staticmethod
    def require_modules(pieces: Sequence[Piece]) -> None:
        """Neither a parameter without a module of its own nor a merge stands among modules."""
        for piece in pieces:
            if piece.module is None or piece.is_parameter:
                raise CannotWrite(piece.step.at, "it is no module that a row of modules can hold")

    def _within(self, module: Call | None) -> Expr:
        """A module as it stands in a group: a variable's name in place of one too deep."""
        assert module is not None
        if _depth(module) < MAX_DEPTH:
            return module
        numbered = (f"group{i}" for i in count(1))
        name = next(name for name in numbered if name not in self.unit.taken)
        self.unit.taken.add(name)
        self.unit.assign(name, module)
        return Name(name)

    def is_built(self, module: Call | None) -> bool:
        """Whether a list that the next group will fill anew stands in an expression."""
        if not self.built or module is None:
            return False
        return any(node in self.built for node in walk(module))

    def repeated(self, step: Step, channels: Expr) -> tuple[Call, Expr]:
        """A repeated step with a name: a group of its own."""
        assert step.control is not None
        return self.sequence([step._replace(name=None, inputs=None)], channels)

    def condition(self, step: Step) -> When:
        """A step's `when`, where it is no part of a loop."""
        if step.control is None or step.control.when is None or step.spread:
            return True
        written = step.control.when
        if not self.unit.block and names_in_written(written) & NAMES:
            return self._of_what_arrives(step)
        when = self.unit.condition(written)
        if not isinstance(when, bool):
            self.unit.use(when)
        return when

    def _of_what_arrives(self, step: Step) -> bool:
        """A condition on what arrives at a row of the network itself: it is known."""
        there = {self.facts.is_in(step, member.network) for member in self.facts.members}
        if len(there) > 1:
            raise CannotWrite(step.at, "it is there in some members of the family")
        return there.pop()

    # --- loops -------------------------------------------------------------------------------

    def _comprehension(self, step: Step, channels: Expr) -> tuple[Starred, Expr] | None:
        """A repeated step as one expression, None where it takes statements."""
        control = step.control
        assert control is not None
        unit = self.unit
        if control.each is not None or control.when is not None or step.name is not None:
            return None
        once = step._replace(control=None, name=None, inputs=None)
        times = self.times(control)
        saved = unit.save()
        with self.looping({"i": Name("i"), "j": Name("i")}, {"i", "j"}):
            arriving = unit.fresh("channels")
            unit.whole.add(arriving)
            trial = self.pieces(once, Name(arriving))
            added = unit.statements[len(saved.statements) :]
            nested = any(isinstance(statement, For | If) for statement in added)
            steady = len(trial) == 1 and not nested and not {"i", arriving} & names_in(*added)
            unit.restore(saved)
            if not steady or trial[0].module is None:
                return None
            passes = Passes(arriving, trial[0].out, channels, times, "i", ("i",))
            needed = arriving in names_in(trial[0].module)
            first = passes.arriving() if needed else channels
            out = passes.out()
            if first is None or out is None or (out != channels and self.may_be_empty(control)):
                return None
            (piece,) = self.pieces(once, first)
            if "i" in names_in(*unit.statements[len(saved.statements) :]):
                unit.restore(saved)  # what is worked out beforehand differs from place to place
                return None
        assert piece.module is not None
        unit.use(times)
        unit.fewest = min(unit.fewest, self.fewest(control))
        index = "i" if "i" in names_in(piece.module) else "_"
        made = Generator(piece.module, Name(index), call("range", times))
        return Starred(made), out

    def either(self, when: Expr, there: Expr, absent: Expr) -> Expr:
        """The channels behind a step that may be missing."""
        if there == absent or self.facts.agree(self.unit, when, there, absent):
            return there
        return Conditional(when, there, absent)

    def may_be_empty(self, control: Control) -> bool:
        """Whether a step is repeated no time at all in some object of the class."""
        return self.fewest(control) == 0

    def fewest(self, control: Control) -> int:
        """How often a step is repeated at least; 1 where only a table around it tells that."""
        written = control.repeat
        if not isinstance(written, str):
            return written if isinstance(written, int) else 1
        environments = self.facts.environments(self.unit.block)
        worth = (self.facts.value_of(written, names) for names in environments)
        return min((int(t) if isinstance(t, int | float) else 1 for t in worth), default=1)

    def times(self, control: Control) -> Expr:
        """How often a step is repeated."""
        if not isinstance(control.repeat, str):
            return self.unit.known(control.repeat)
        expr = self.unit.expr(control.repeat)
        return expr if self.unit.is_whole(expr) else Call(Name("int"), (expr,))

    @contextmanager
    def looping(
        self, bound: Mapping[str, Expr], whole: set[str], optional: Iterable[str] = ()
    ) -> Iterator[None]:
        """Names of a loop, while its body is written.

        `whole` are those of integers, `optional` those of ops that may be missing.
        """
        unit = self.unit
        before, numbers, missing = dict(unit.bound), set(unit.whole), set(unit.optional)
        taken = set(unit.taken)
        unit.bound.update(bound)
        unit.whole |= {flat(bound[name]) for name in whole if name in bound}
        unit.optional -= free_names(*bound.values())
        unit.optional |= {flat(bound[name]) for name in optional}
        unit.taken |= free_names(*bound.values())
        self.loops += 1
        try:
            yield
        finally:
            self.loops -= 1
            self.looped = True
            unit.bound = before
            unit.whole, unit.optional = numbers, missing
            unit.taken = taken | {name for name in unit.taken if name in unit.widths}


def is_chain(steps: Sequence[Step]) -> bool:
    """Whether every step reads just the one before it."""
    return all(
        step.inputs is None
        and step.branches is None
        and not (step.op in OPS_BY_NAME and OPS_BY_NAME[step.op or ""].arity == "several")
        for step in steps
    )


def _depth(expr: Expr) -> int:
    """How many groups stand in each other in an expression."""
    if not isinstance(expr, Call):
        return 0
    inside = max((_depth(part) for part in _parts_of(expr)), default=0)
    return inside + (expr.function == _SEQUENTIAL)


def _parts_of(expr: Call) -> Iterator[Expr]:
    """The values of a call's arguments, those in the pairs of an `OrderedDict` among them."""
    for argument in expr.arguments:
        value = argument.value if isinstance(argument, Keyword | Starred) else argument
        if isinstance(value, Generator):
            yield value.element
        elif isinstance(value, List):
            yield from (p.items[1] if isinstance(p, Tuple) else p for p in value.items)
        else:
            yield value
