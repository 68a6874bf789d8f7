"""Uses of blocks as modules: the calls of their classes."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Protocol

from archspec.graph.arriving import SIZES, sizes_of
from archspec.language.model import Step
from archspec.ops import Shape, channels_of
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
    Compare,
    Conditional,
    Expr,
    Keyword,
    List,
    Literal,
    Name,
    Node,
    Subscript,
    rebuild,
)
from archspec.targets.torch.rows.annotations import fitted
from archspec.targets.torch.rows.arguments import names_in as names_in_written
from archspec.targets.torch.rows.drafts import INTEGER
from archspec.targets.torch.rows.facts import common
from archspec.targets.torch.rows.single import MAX_INLINE, Piece, Rows
from archspec.targets.torch.rows.unit import Argument, CannotWrite, Unit

GEOMETRY = frozenset({"kernel_size", "stride", "padding", "dilation", "groups", *SIZES})
"""Arguments that are always given by name: nobody remembers in which order they come."""


class BlockClass(Protocol):
    """What a use of a block has to know of its class."""

    name: str
    block: str
    arguments: tuple[Argument, ...]
    takes_channels: bool
    also: Mapping[str, Expr]
    outs: tuple[Expr | None, ...]

    @property
    def out(self) -> Expr | None:
        """The channels of the first value that it gives."""


class Uses(Rows):
    """Writes the modules of rows and blocks. `class_of` gives the class of a block."""

    def __init__(self, unit: Unit, class_of: Callable[[str], BlockClass]) -> None:
        super().__init__(unit)
        self.class_of = class_of
        self.beside: Sequence[Expr] = ()  # the channels of what arrives beside the first value

    def use(self, step: Step, channels: Expr) -> Piece:
        """The module of a row that stands for a block."""
        self.see(channels)
        classes = [self.class_of(name) for name in self.facts.blocks_of(step)]
        shapes = self.facts.arriving_at(step)
        self.see_sizes(shapes)
        head = self._head(step, classes)
        given = {**step.attributes, **step.sugar}
        read = {argument.key for cls in classes for argument in cls.arguments}
        read |= free_names(*(cls.out for cls in classes if cls.out is not None))
        values = {name: self.unit.argument(v) for name, v in given.items() if name in read}
        values.update({name: self._size(step, name, shapes) for name in SIZES if name in read})
        known = {"in_channels": channels, **self._others(step, classes)}
        items: list[CallArgument] = [*self._channels_taken(classes, known)]
        positional = True
        for argument in self._arguments(classes):
            value = values.get(argument.key)
            if value is None and argument.default is None:
                value = values[argument.key] = self._default(classes[0], argument.key, values)
            if value is not None:
                value = self._whole(fitted(value, argument.annotation), argument)
                values[argument.key] = value
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
            name = self.unit.named(out, "width", self.width_name("channels"))
            items = [_renamed(item, out, name) for item in items]
            out = name
        elif self._is_long(out) and self.facts.is_used_behind(step):
            self.unit.use(out)
            out = self.unit.named(out, "channels1")
        return Piece(step.name, Call(head, tuple(items)), out, step, others=widths)

    @staticmethod
    def _size(step: Step, name: str, shapes: Iterable[Shape]) -> Expr:
        """The height or width that arrives at a block, where that is one wherever it is used."""
        size = common(sizes_of(shape)[name] for shape in shapes)
        if type(size) is not int:
            raise CannotWrite(step.at, f"{name} is not the same wherever the block is used")
        return Literal(size)

    def _whole(self, value: Expr, argument: Argument) -> Expr:
        """`int(64 * width)` where a class takes a whole number, and an expression may give none."""
        if argument.annotation != INTEGER or self.unit.is_whole(value):
            return value
        match value:
            case Literal(value=float(number)):
                return Literal(int(number))
            case Name() | Subscript() | Call(function=Name(id="int")):
                return value
        return Call(Name("int"), (value,))

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
        names = self.facts.given_to(step)[1:]
        if len(names) != len(self.beside):
            raise CannotWrite(step.at, "what it reads stands in a chain")
        widths: dict[str, list[Expr]] = {}
        for name, width in zip(names, self.beside, strict=True):
            widths.setdefault(name, []).append(width)
        lists = {name for cls in classes for name in self.facts.spec.blocks[cls.block].lists}
        return {
            channels_name(name): List(tuple(found)) if name in lists else found[0]
            for name, found in widths.items()
        }

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
        return _picked(substituted(out, {**known, **arriving}))

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


def channels_name(name: str) -> str:
    """What the channels of a block's input are called in its constructor."""
    return f"{name}_channels"


def _picked(expr: Expr) -> Expr:
    """`a` for `[a, b][0]`."""

    def pick(node: Node) -> Node | None:
        match node:
            case Subscript(value=List(items=items), index=Literal(value=int(index))):
                return items[index]
        return None

    return rebuild(expr, pick)  # type: ignore[return-value]  # an expression stays one


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
