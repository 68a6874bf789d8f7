"""Rows of ops as modules, with what they carry along."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from archspec.graph.arriving import SIZES, sizes_of
from archspec.language.model import Step
from archspec.language.source import Data
from archspec.ops import OPS_BY_NAME, Shape, channels_of
from archspec.ops.sliding import Sliding
from archspec.targets.python.arithmetic import (
    free_names,
    simplify,
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
    Keyword,
    Lambda,
    Literal,
    Unary,
    dotted,
    walk,
)
from archspec.targets.torch.emit import Row, Spelling, Written, spell_step
from archspec.targets.torch.emit.padding import plan
from archspec.targets.torch.rows.arguments import OUTPUT_WIDTHS
from archspec.targets.torch.rows.facts import Leaf, common
from archspec.targets.torch.rows.padded import padded_in_numbers
from archspec.targets.torch.rows.unit import CannotWrite, Unit
from archspec.targets.torch.signatures import unbound

MAX_INLINE = 20
"""A width that is longer, or computed, gets a name where a later step needs it again."""
_IDENTITY = dotted("nn.Identity")
_SEQUENTIAL = dotted("nn.Sequential")
PARAMETER = dotted("nn.Parameter")


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
        return self.module is not None and self.module.function == PARAMETER


class Rows:
    """Writes the modules of rows, in one class."""

    def __init__(self, unit: Unit) -> None:
        self.unit = unit
        self.facts = unit.facts
        self.loops = 0  # how many loops stand around what is written
        self.looped = False  # whether any is written already

    def see(self, channels: Expr) -> None:
        """Outside blocks, `in_channels` is what arrives at the row."""
        if not self.unit.block:
            self.unit.bound["in_channels"] = channels

    def see_sizes(self, arriving: Iterable[Shape]) -> None:
        """Outside blocks, the sizes are those of what arrives at the row, where that is one."""
        if self.unit.block:
            return
        found = [sizes_of(shape) for shape in dict.fromkeys(arriving)]
        for name in SIZES:
            size = common(sizes[name] for sizes in found)
            self.unit.values.pop(name, None)
            if type(size) is int:
                self.unit.values[name] = size

    def row(self, step: Step, role: str, channels: Expr) -> Piece:
        """The module of a row itself, or of what it carries along as `role`."""
        self.see(channels)
        leaves = self.facts.nodes_of(step, role)
        self.see_sizes(leaf.arriving for leaf in leaves)
        kinds = self.facts.kinds_of(step, role)
        if not kinds:
            raise CannotWrite(step.at, "nothing is known of what it stands for")
        leaf = min(kinds, key=_padding_order)
        attributes = self._with_named_width(leaf, self.unit.open_attributes(leaf, channels))
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

    def carried_when(self, step: Step, role: str) -> Expr | None:
        """The condition under which a row carries something along: that its value is not false."""
        if len(self.facts.nodes_of(step, role)) == len(self.facts.nodes_of(step)):
            return None
        written = step.sugar.get(role)
        translate: Callable[..., Expr] = self.unit.expr
        if not written:
            written = self.facts.spec.defaults.get(step.op or "", {}).get(role)
            translate = self.unit.default_expr
        expr = translate(written) if isinstance(written, str) else Literal(value=True)
        expr = _or_nothing(expr)[0] or expr
        self.unit.use(expr)
        if self.unit.may_be_missing(expr):
            return Compare((expr, Literal(None)), ("is not",))
        return expr

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
            if module.function == _SEQUENTIAL:
                raise CannotWrite(leaf.node.at, "it stands for ops that are several modules each")
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
        translate: Callable[..., Expr] = self.unit.expr
        if role:
            written = step.sugar.get(role)
            if written is None:
                written = self.facts.spec.defaults.get(step.op or "", {}).get(role)
                translate = self.unit.default_expr
        if isinstance(written, dict):
            written = written.get("op")
        elif role == "dropout" and not self._has_head(step, role):
            return None  # a probability, and the op is what the word says
        if not isinstance(written, str) or written in OPS_BY_NAME:
            return None
        expr = translate(written)
        expr = _or_nothing(expr)[1] or expr
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
                name = self.unit.named(expr, self.width_name(width.removeprefix("out_")))
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

    def width_name(self, kind: str) -> str:
        """What a computed width is called, by where it stands: `kind` is channels or features."""
        if self.unit.block:
            return f"hidden_{kind}"
        if self.loops:
            return f"out_{kind}"
        return f"last_{kind}" if self.looped else f"stem_{kind}"


def _or_nothing(expr: Expr) -> tuple[Expr | None, Expr | None]:
    """The condition and the op of `op if condition else false`, or of it turned round."""
    match expr:
        case Conditional(test=test, body=op, orelse=Literal(value=False)):
            return test, op
        case Conditional(test=test, body=Literal(value=False), orelse=op):
            return simplify(Unary("not", test)), op
    return None, None


def _padding_order(leaf: Leaf) -> int:
    """Nodes whose padding is the hardest to write come first: they decide how it is written."""
    if not isinstance(leaf.op, Sliding):
        return 0
    return ("dynamic", "sides", "native").index(plan(leaf.op, leaf.arriving).kind)
