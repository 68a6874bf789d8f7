"""Steps as modules: rows, blocks, groups, and repetition, as the constructor makes them."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import count
from typing import Protocol

from archspec.language.model import Body, Control, Step
from archspec.language.rows import SUGAR
from archspec.language.source import Data
from archspec.ops import OPS_BY_NAME, channels_of
from archspec.ops.sliding import Sliding
from archspec.targets.python.arithmetic import (
    free_names,
    simplify,
    substituted,
    times_sizes,
)
from archspec.targets.python.text import flat
from archspec.targets.python.tree import (
    Argument as CallArgument,
)
from archspec.targets.python.tree import (
    Binary,
    Call,
    Compare,
    Conditional,
    Expr,
    For,
    Generator,
    If,
    Keyword,
    Lambda,
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
from archspec.targets.torch.emit import Row, Spelling, Written, spell_step
from archspec.targets.torch.emit.padding import plan
from archspec.targets.torch.rows.annotations import fitted
from archspec.targets.torch.rows.arguments import OUTPUT_WIDTHS
from archspec.targets.torch.rows.arguments import names_in as names_in_written
from archspec.targets.torch.rows.facts import Leaf, common
from archspec.targets.torch.rows.padded import padded_in_numbers
from archspec.targets.torch.rows.passes import Passes
from archspec.targets.torch.rows.statements import Statements
from archspec.targets.torch.rows.unit import Argument, CannotWrite, Unit, When
from archspec.targets.torch.signatures import unbound

MAX_DEPTH = 3
"""Groups stand in each other so deep; those further inside get a variable, `group1`."""
MAX_INLINE = 20
"""A width that is longer, or computed, gets a name where a later step needs it again."""
GEOMETRY = frozenset({"kernel_size", "stride", "padding", "dilation", "groups"})
"""Arguments that are always given by name: nobody remembers in which order they come."""
_IDENTITY = dotted("nn.Identity")
_PARAMETER = dotted("nn.Parameter")
_SEQUENTIAL = dotted("nn.Sequential")


class BlockClass(Protocol):
    """What a use of a block has to know of its class."""

    name: str
    block: str
    arguments: tuple[Argument, ...]
    takes_channels: bool
    also: tuple[str, ...]
    outs: tuple[Expr | None, ...]

    @property
    def out(self) -> Expr | None:
        """The channels of the first value that it gives."""


@dataclass(frozen=True)
class Piece:
    """One module: its name in its body (None: its position), how it is made, what it gives on.

    `when` is the condition under which a row carries it along; `others` are the channels of what a
    block gives beside its first value.
    """

    name: str | None
    module: Call | None
    out: Expr
    step: Step
    spelling: Spelling | None = None
    leaf: Leaf | None = None
    when: Expr | None = None
    others: tuple[Expr, ...] = ()

    @property
    def is_parameter(self) -> bool:
        """Whether it is a bare parameter, and no module."""
        return self.module is not None and self.module.function == _PARAMETER


class Modules:
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
        self.unit = unit
        self.class_of = class_of
        self.group_class = group_class
        self.facts = unit.facts
        self.beside: Sequence[Expr] = ()  # the channels of what arrives beside the first value
        self.running: set[str] = set()  # variables that hold the channels from step to step
        self.loops = 0  # how many loops stand around what is written
        self.looped = False  # whether any is written already
        self.built: set[Expr] = set()  # modules made of a list that statements filled

    # --- rows --------------------------------------------------------------------------------

    def pieces(self, step: Step, channels: Expr) -> list[Piece]:
        """The modules of one step: a group, a block, or a row and what it carries along."""
        if step.spread and step.name is not None and "{" not in step.name:
            module, out = self.repeated(step, channels)
            return [Piece(step.name, module, out, step)]
        if step.body is not None:
            module, out = self.group(step, channels)
            return [Piece(step.name, module, out, step)]
        if self.facts.blocks_of(step):
            return [self._block(step, channels)]
        pieces = [self.row(step, "", channels)]
        for role in SUGAR:
            if self.facts.nodes_of(step, role):
                piece = self.row(step, role, pieces[-1].out)
                pieces.append(replace(piece, when=self.carried_when(step, role)))
        return pieces

    def carried_when(self, step: Step, role: str) -> Expr | None:
        """The condition under which a row carries something along: that its value is not false."""
        if len(self.facts.nodes_of(step, role)) == len(self.facts.nodes_of(step)):
            return None
        written = step.sugar.get(role) or self.facts.spec.defaults.get(step.op or "", {}).get(role)
        expr = self.unit.expr(written) if isinstance(written, str) else Literal(value=True)
        self.unit.use(expr)
        if self.unit.may_be_missing(expr):
            return Compare((expr, Literal(None)), ("is not",))
        return expr

    def row(self, step: Step, role: str, channels: Expr) -> Piece:
        """The module of a row itself, or of what it carries along as `role`."""
        self.see(channels)
        leaves = self.facts.nodes_of(step, role)
        kinds = self.facts.kinds_of(step, role)
        leaf = min(kinds, key=_padding_order)
        attributes = self._with_named_width(leaf, self.unit.open_attributes(leaf))
        leaf, attributes = padded_in_numbers(kinds, leaf, attributes)
        row = Row(leaf.shapes, channels, attributes)
        spelling = self._spelling(leaves, leaf, row)
        out = self._leaving(kinds, row, spelling)
        module = spelling.module
        callee = self._callee(step, role)
        if callee is not None:
            module = self._called(callee, kinds, row)
            spelling = Spelling(module)
        name = step.name
        if name is not None and role:
            name = f"{name}_{role}"
        self.unit.use(channels)
        return Piece(name, module, out, step, spelling, leaf)

    def _spelling(self, leaves: Sequence[Leaf], leaf: Leaf, row: Row) -> Spelling:
        spelling = spell_step(leaf.op, row)
        owns = spelling.overwrites and all(self.facts.owns_input(leaf) for leaf in leaves)
        if owns and spelling.module is not None:
            in_place = Keyword("inplace", Literal(value=True))
            module = Call(spelling.module.function, (*spelling.module.arguments, in_place))
            spelling = replace(spelling, module=module)
        if row.attributes and spelling.module is not None:
            return replace(spelling, function=None)  # forward cannot see the arguments
        return spelling

    def _called(self, callee: Expr, leaves: Sequence[Leaf], row: Row) -> Call:
        """What stands for several ops, called with what all of them are given."""
        found: list[tuple[CallArgument, ...]] = []
        for leaf in leaves:
            module = spell_step(leaf.op, replace(row, shapes=leaf.shapes)).module
            if module is None:
                raise CannotWrite(leaf.node.at, "it stands for ops that are no modules")
            head = self.unit.spell_name(leaf.node.head or leaf.op.op_name)
            if isinstance(head, Lambda) or module.function == _IDENTITY:
                continue  # it takes whatever it is given
            arguments = unbound(head, module)
            if arguments not in found:
                found.append(arguments)
        if len(found) > 1:
            raise CannotWrite(leaves[0].node.at, "the ops it stands for take different arguments")
        return Call(callee, found[0] if found else ())

    def _callee(self, step: Step, role: str) -> Expr | None:
        """What stands for the op where the row names it by an expression, else None."""
        written: Data = step.op
        if role:
            written = step.sugar.get(role)
            if written is None:
                written = self.facts.spec.defaults.get(step.op or "", {}).get(role)
        if isinstance(written, dict):
            written = written.get("op")
        elif role == "dropout" and not self._has_head(step, role):
            return None  # a probability, and the op is what the word says
        if not isinstance(written, str) or written in OPS_BY_NAME:
            return None
        expr = self.unit.expr(written)
        self.unit.use(expr)
        if not free_names(expr) - self.unit.class_names and not isinstance(expr, Conditional):
            return None  # known here, as if it had been written
        return expr

    def _has_head(self, step: Step, role: str) -> bool:
        """Whether any op of a row is a value with attributes."""
        return any(leaf.node.head is not None for leaf in self.facts.nodes_of(step, role))

    def _with_named_width(self, leaf: Leaf, attributes: dict[str, Written]) -> dict[str, Written]:
        """A computed width that is needed again gets a name."""
        for width in OUTPUT_WIDTHS:
            expr = attributes.get(width)
            if not isinstance(expr, Expr):
                continue
            is_computed = any(isinstance(node, Call | Conditional) for node in walk(expr))
            grouped = "(" in flat(expr) or is_computed or len(flat(expr)) > MAX_INLINE
            if grouped and self.facts.is_read_later(leaf):
                name = self.unit.named(expr, self._width_name(width.removeprefix("out_")))
                return {**attributes, width: name}
        return attributes

    def _leaving(self, leaves: Sequence[Leaf], row: Row, spelling: Spelling) -> Expr:
        """The channels that a row gives on."""
        if spelling.width is not None:
            return spelling.width
        leaf = leaves[0]
        ratio = common(leaf.op.channel_ratio(leaf.shapes) for leaf in leaves)
        if leaf.op.channel_ratio(leaf.shapes) is None:
            width = common(channels_of(leaf.output) for leaf in leaves)
            if width is None:
                raise CannotWrite(leaf.node.at, "its width is not the same wherever it is used")
            return Literal(width)
        if ratio is None:
            raise CannotWrite(leaf.node.at, "the map that arrives is not of one size everywhere")
        expr = times_sizes(row.channels, ratio.factors)
        if ratio.divisor == 1:
            return expr
        return simplify(Binary(expr, "//", Literal(ratio.divisor)))

    # --- blocks ------------------------------------------------------------------------------

    def see(self, channels: Expr) -> None:
        """Outside blocks, `in_channels` is what arrives at the row."""
        if not self.unit.block:
            self.unit.bound["in_channels"] = channels

    def _block(self, step: Step, channels: Expr) -> Piece:
        self.see(channels)
        classes = [self.class_of(name) for name in self.facts.blocks_of(step)]
        head = self._head(step, classes)
        given = {**step.attributes, **step.sugar}
        read = {argument.key for cls in classes for argument in cls.arguments}
        read |= free_names(*(cls.out for cls in classes if cls.out is not None))
        values = {name: self.unit.argument(v) for name, v in given.items() if name in read}
        known = {"in_channels": channels, **self._others(step, classes)}
        items: list[CallArgument] = [*self._channels_taken(classes, known)]
        positional = True
        for argument in self._arguments(classes):
            value = values.get(argument.key)
            if value is None and argument.default is None:
                value = values[argument.key] = self._default(classes[0], argument.key, values)
            if value is not None:
                value = values[argument.key] = fitted(value, argument.annotation)
            if value is None or value == argument.default:
                positional = False
                continue
            self.unit.use(value)
            by_name = argument.is_flag or argument.name in GEOMETRY
            positional = positional and argument.default is None and not by_name
            items.append(value if positional else Keyword(argument.name, value))
        outs = {cls.name: self._block_out(step, cls, cls.out, known, values) for cls in classes}
        out = _chosen(head, outs)
        more = [cls.outs[1:] for cls in classes]
        widths = tuple(
            self._block_out(step, classes[0], width, known, values, port)
            for port, width in enumerate(more[0], start=1)
        )
        if any(len(widths) != len(found) for found in more):
            raise CannotWrite(step.at, "it gives several values, and not always as many")
        if self._deserves_name(out) and out in values.values():
            self.unit.use(out)
            name = self.unit.named(out, "width", self._width_name("channels"))
            items = [_renamed(item, out, name) for item in items]
            out = name
        elif self._is_long(out) and self.facts.is_used_behind(step):
            self.unit.use(out)
            out = self.unit.named(out, "channels1")
        return Piece(step.name, Call(head, tuple(items)), out, step, others=widths)

    def _channels_taken(
        self, classes: Sequence[BlockClass], known: Mapping[str, Expr]
    ) -> Iterator[Expr]:
        """The channels of what arrives, those that any of the classes takes."""
        taken = {name for cls in classes for name in cls.also}
        taken |= {"in_channels" for cls in classes if cls.takes_channels}
        for name, width in known.items():
            if name in taken:
                self.unit.use(width)
                yield width

    def _others(self, step: Step, classes: Sequence[BlockClass]) -> dict[str, Expr]:
        """The channels of what arrives beside the first value, by the names that classes have."""
        found: dict[str, Expr] = {}
        for cls in classes:
            names = [*self.facts.spec.blocks[cls.block].inputs][1:]
            if len(names) != len(self.beside):
                raise CannotWrite(step.at, "its inputs are not all given, or stand in a chain")
            for name, width in zip(names, self.beside, strict=True):
                found[channels_name(name)] = width
        return found

    def _width_name(self, kind: str) -> str:
        """What a computed width is called, by where it stands: `kind` is channels or features."""
        if self.unit.block:
            return f"hidden_{kind}"
        if self.loops:
            return f"out_{kind}"
        return f"last_{kind}" if self.looped else f"stem_{kind}"

    def _is_long(self, expr: Expr) -> bool:
        """Whether a width is too long to be read again and again; loops have their own variable."""
        return self.loops == 0 and not isinstance(expr, Name) and len(flat(expr)) > MAX_INLINE

    @staticmethod
    def _deserves_name(expr: Expr) -> bool:
        """Whether a width is computed in a way that one would not write twice."""
        return "(" in flat(expr) or isinstance(expr, Conditional)

    def _head(self, step: Step, classes: Sequence[BlockClass]) -> Expr:
        assert step.op is not None
        if step.op in self.facts.spec.blocks:
            return Name(classes[0].name)
        expr = self.unit.expr(step.op)
        if len(classes) == 1 and not isinstance(expr, Name):
            return Name(classes[0].name)  # the other is in no network, and not written
        self.unit.use(expr)
        return expr

    def _arguments(self, classes: Sequence[BlockClass]) -> list[Argument]:
        """The arguments that any of the classes takes, in order."""
        found: dict[str, Argument] = {}
        for cls in classes:
            for argument in cls.arguments:
                found.setdefault(argument.name, argument)
        return sorted(found.values(), key=lambda argument: argument.default is not None)

    def _block_out(
        self,
        step: Step,
        cls: BlockClass,
        out: Expr | None,
        arriving: Mapping[str, Expr],
        values: Mapping[str, Expr],
        port: int = 0,
    ) -> Expr:
        """The channels of a value that a block gives on, in the terms of its user."""
        if out is None:
            scopes = self.facts.scopes[step.at, "block"]
            width = common(
                channels_of(self.facts.shape(inner.network, inner.scope.outputs[port]))
                for inner in scopes
            )
            if width is None:
                problem = "how many channels leave this block cannot be said with its arguments"
                raise CannotWrite(step.at, problem)
            return Literal(width)
        names = {argument.key: argument.name for argument in cls.arguments}
        known: dict[str, Expr] = {}
        for key, default in self.facts.spec.blocks[cls.block].args.items():
            if key in values:
                known[names.get(key, key)] = values[key]
            elif default is not None:
                known[names.get(key, key)] = self._default(cls, key, values)
        return substituted(out, {**known, **arriving})

    def _default(self, cls: BlockClass, key: str, values: Mapping[str, Expr]) -> Expr:
        """The default of an argument, in which others may stand, in the terms of the user."""
        args = self.facts.spec.blocks[cls.block].args
        default = args.get(key)
        if not isinstance(default, str):
            if isinstance(default, dict) and names_in_written(default) & args.keys():
                raise CannotWrite(("blocks", cls.block), f"{key} follows from other arguments")
            return self.unit.argument(default)
        known = dict(values)
        for name in names_in_written(default) & args.keys():
            if name not in known:
                known[name] = self._default(cls, name, values)
        return self.unit.expr_with(default, known)

    @contextmanager
    def standing_for(self, bound: Mapping[str, Expr]) -> Iterator[None]:
        """Names that stand for something known, while a step is written."""
        before = dict(self.unit.bound)
        self.unit.bound.update(bound)
        try:
            yield
        finally:
            self.unit.bound = before

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
        if not self.unit.block and "in_channels" in names_in_written(written):
            return self._of_what_arrives(step)
        when = self.unit.condition(written)
        if not isinstance(when, bool):
            self.unit.use(when)
        return when

    def _of_what_arrives(self, step: Step) -> bool:
        """A condition on the channels that arrive at a row of the network itself: it is known."""
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
        assert piece.module is not None
        unit.use(times)
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
        if not isinstance(control.repeat, str):
            return bool(control.repeat == 0)
        return any(
            self.facts.value_of(control.repeat, names) == 0
            for names in self.facts.environments(self.unit.block)
        )

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


def channels_name(name: str) -> str:
    """What the channels of a block's input are called in its constructor."""
    return f"{name}_channels"


def is_chain(steps: Sequence[Step]) -> bool:
    """Whether every step reads just the one before it."""
    return all(
        step.inputs is None
        and step.branches is None
        and not (step.op in OPS_BY_NAME and OPS_BY_NAME[step.op or ""].arity == "several")
        for step in steps
    )


def _padding_order(leaf: Leaf) -> int:
    """Nodes whose padding is the hardest to write come first: they decide how it is written."""
    if not isinstance(leaf.op, Sliding):
        return 0
    return ("dynamic", "sides", "native").index(plan(leaf.op, leaf.arriving).kind)


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


def _renamed(item: CallArgument, expr: Expr, name: Expr) -> CallArgument:
    """An argument with a name in place of an expression."""
    if isinstance(item, Keyword):
        return Keyword(item.name, name) if item.value == expr else item
    return name if item == expr else item


def _chosen(head: Expr, outs: Mapping[str, Expr]) -> Expr:
    """One expression for what different classes give on."""
    distinct = list(dict.fromkeys(outs.values()))
    if len(distinct) == 1:
        return distinct[0]
    *first, (_, last) = outs.items()
    expr = last
    for name, out in reversed(first):
        expr = Conditional(Compare((head, Name(name)), ("is",)), out, expr)
    return expr
