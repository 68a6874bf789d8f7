"""One class while it is written: its statements, its names, and what expressions are in it."""

import keyword
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, count
from typing import TYPE_CHECKING, Any, TypeAlias

from archspec.expressions import Configured, Reference, Value, Word
from archspec.graph.arriving import SIZES, sizes_of
from archspec.graph.inherited import Inherited, as_seen, read_by
from archspec.graph.network import Node as OfNetwork
from archspec.graph.values import evaluate
from archspec.language.source import Data
from archspec.ops import Op
from archspec.targets.python.arithmetic import free_names, is_whole, substituted
from archspec.targets.python.language import Translator, cells_of, is_row
from archspec.targets.python.text import flat
from archspec.targets.python.tree import (
    Assign,
    Attribute,
    Call,
    Compare,
    Expr,
    Literal,
    Name,
    Node,
    Statement,
    Subscript,
    Tuple,
    dotted,
    rebuild,
)
from archspec.targets.torch.emit import Written
from archspec.targets.torch.names import TAKEN
from archspec.targets.torch.rows.annotations import annotation_of, fitted, is_optional, of_mixed
from archspec.targets.torch.rows.arguments import RATES, names_in
from archspec.targets.torch.rows.facts import Facts, Leaf, common
from archspec.targets.torch.rows.heads import Opened
from archspec.targets.torch.rows.refusal import CannotWrite

if TYPE_CHECKING:
    from archspec.targets.torch.rows.records import Record

When: TypeAlias = Expr | bool
"""A condition, or its truth where that is known."""
LONGEST = 59
"""A longer expression gets a name of its own."""


class TooLong(Exception):
    """An expression would not fit on a line; `names` are the variables in it."""

    def __init__(self, names: frozenset[str]) -> None:
        super().__init__()
        self.names = names


@dataclass(frozen=True, slots=True)
class Argument:
    """A parameter of a constructor: name, annotation, and default, None where it is required.

    `key` is what the spec calls it, where Python needs another name.
    """

    name: str
    annotation: Expr
    default: Expr | None = None
    key: str = ""

    @property
    def may_be_missing(self) -> bool:
        """Whether it is an op of which there may be none."""
        return is_optional(self.annotation)

    @property
    def is_flag(self) -> bool:
        """Whether it is passed by name only."""
        return self.annotation == Name("bool")


@dataclass
class Saved:
    """What a trial leaves behind, to be undone."""

    statements: list[Statement]
    taken: set[str]
    used: set[str]
    widths: dict[str, Expr]
    annotated: set[str]


@dataclass
class Unit:
    """The state of a class that is being written.

    `values` are names of the language with a known value, `bound` those that something in Python
    stands for. `locals` define such names, in order, wanted only where they are used; `tables` are
    lists with a name. `whole` are Python names that are certainly integers, `optional` those of
    ops that may be missing, `records` those of tables whose rows have a class. `spell_name` is what
    ops and blocks are called. `of_spec` are the spec's variables that something stands for
    here; `kinds` annotate tables. What is repeated is so `fewest` times, in any
    object of the class.
    """

    facts: Facts
    block: str
    spell_name: Callable[[str], Expr]
    values: dict[str, Value] = field(default_factory=dict)
    bound: dict[str, Expr] = field(default_factory=dict)
    locals: dict[str, Expr] = field(default_factory=dict)
    tables: dict[str, Expr] = field(default_factory=dict)
    whole: set[str] = field(default_factory=set)
    statements: list[Statement] = field(default_factory=list)
    taken: set[str] = field(default_factory=lambda: set(TAKEN))
    used: set[str] = field(default_factory=set)
    widths: dict[str, Expr] = field(default_factory=dict)
    annotated: set[str] = field(default_factory=set)
    class_names: frozenset[str] = frozenset()
    optional: set[str] = field(default_factory=set)
    records: dict[str, "Record"] = field(default_factory=dict)
    of_spec: dict[str, Expr] = field(default_factory=dict)
    kinds: dict[str, Expr] = field(default_factory=dict)
    fewest: int = sys.maxsize

    # --- statements --------------------------------------------------------------------------

    def add(self, statement: Statement) -> None:
        """A statement of the constructor."""
        self.statements.append(statement)

    def assign(self, name: str, value: Expr, annotation: Expr | None = None) -> None:
        """`name = value`; a dotted name is an attribute."""
        self.add(Assign(dotted(name), value, annotation))

    @contextmanager
    def inside(self) -> Iterator[list[Statement]]:
        """Statements of a loop or a condition, which are collected apart."""
        outer, self.statements = self.statements, []
        inner = self.statements
        try:
            yield inner
        finally:
            self.statements = outer

    def save(self) -> Saved:
        """What has to be remembered to undo what follows."""
        return Saved(
            list(self.statements),
            set(self.taken),
            set(self.used),
            dict(self.widths),
            set(self.annotated),
        )

    def restore(self, saved: Saved) -> None:
        """Undo everything since `saved`."""
        self.statements[:] = saved.statements
        self.taken = set(saved.taken)
        self.used = set(saved.used)
        self.widths = dict(saved.widths)
        self.annotated = set(saved.annotated)

    def fresh(self, *bases: str) -> str:
        """A local name that nothing has yet; the first of `bases` that is free, or numbered."""
        names = (*bases, *(f"{bases[0]}{i}" for i in range(2, len(self.taken) + 3)))
        name = next(name for name in names if name not in self.taken)
        self.taken.add(name)
        return name

    # --- expressions -------------------------------------------------------------------------

    def expr(self, written: str, *, truth: bool = False) -> Expr:
        """An expression, what is known being computed; with `truth`, whether it holds."""
        expr = self._translator(self.bound, self._hoisted).translate(written, truth=truth)
        return rebuild(expr, self._compared_with_none) if self.optional else expr  # type: ignore[return-value]  # an expression stays one

    def _compared_with_none(self, node: Node) -> Node | None:
        """`act is not None` for `act != false`, where act is an op that may be missing."""
        match node:
            case Compare(operands=(op, Literal(value=False)), ops=("==" | "!=" as how,)):
                if self.may_be_missing(op):
                    word = "is" if how == "==" else "is not"
                    return Compare((op, Literal(None)), (word,))
        return None

    def may_be_missing(self, expr: Expr) -> bool:
        """Whether an expression is an op that may be missing."""
        return isinstance(expr, Name | Attribute) and flat(expr) in self.optional

    def default_expr(self, written: str) -> Expr:
        """An expression of the spec's defaults: it sees the spec's names wherever it stands."""
        values: dict[str, Value] = dict(self.facts.references)
        for name in names_in(written) - self.of_spec.keys():
            if name in self.facts.spec.vars:
                values[name] = self.facts.common_of(name)
        return Translator(
            values, self.of_spec, self.spell_name, None, self.whole.__contains__
        ).translate(written)

    def expr_with(self, written: str, bound: Mapping[str, Expr]) -> Expr:
        """An expression of another body, `bound` standing for its names."""
        return self._translator(bound, None).translate(written)

    def _translator(
        self, bound: Mapping[str, Expr], hoisted: Callable[[str], Expr] | None
    ) -> Translator:
        return Translator(self.values, bound, self.spell_name, hoisted, self.whole.__contains__)

    def _hoisted(self, name: str) -> Expr:
        """A known list gets a name in the class where a loop looks into it."""
        own = f"{name}_" if keyword.iskeyword(name) else name
        if own not in self.tables:
            self.tables[own] = self.fitted(self.table(self.values[name]), self.values[name])
            mixed = of_mixed([self.values[name]], self.spell_name)
            self.kinds |= {} if mixed is None else {own: mixed}
            self.taken.add(own)
            if holds_whole_numbers([self.values[name]]):
                self.whole.add(own)
        return Name(own)

    def known(self, value: Value) -> Expr:
        """A known value: a number, the name of an op or block, a tuple of such."""
        return self._translator({}, None).known(value)

    def configured(self, value: Mapping[str, Data]) -> Expr:
        """A written op with attributes: `partial(nn.LeakyReLU, negative_slope=slope)`."""
        closed = {**self.facts.references, **self.values}
        if not names_in(value) & self.bound.keys():
            known = evaluate(value, closed, (), [])
            if isinstance(known, Reference):
                return self.known(known)
        environment = next(iter(self.facts.environments(self.block)), {})
        worth = evaluate(value, {**closed, **environment}, (), [])
        if not isinstance(worth, Configured) or self.is_open(self.expr(str(value["op"]))):
            where = ("blocks", self.block) if self.block else ("vars",)
            raise CannotWrite(where, f"the attributes of {value['op']} are not known")
        opened = Opened(str(worth), worth.attributes)
        opened.opened = {
            key: self.expr(written)
            for key, written in value.items()
            if key != "op" and isinstance(written, str) and self.is_open(self.expr(written))
        }
        return self.spell_name(opened)

    def table(self, value: Value) -> Expr:
        """A known value, the rows of a table each on a line."""
        if isinstance(value, Mapping) and "op" in value:
            return self.configured(value)
        if isinstance(value, Mapping):
            return self.table(cells_of(value))
        if isinstance(value, list | tuple):
            rows = any(isinstance(item, list | tuple) or is_row(item) for item in value)
            return Tuple(tuple(self.table(item) for item in value), spread=rows)
        if isinstance(value, str) and not isinstance(value, Reference | Word):
            return self.expr(value)
        return self.known(value)

    def fitted(self, table: Expr, value: Value) -> Expr:
        """A table as its value has it, with None where some rows name an op and others none."""
        return fitted(table, annotation_of([value], self.spell_name))

    def argument(self, value: Data) -> Expr:
        """A written value that is handed on."""
        if isinstance(value, str) and not isinstance(value, Reference | Word):
            return self.expr(value)
        if isinstance(value, Mapping) and "op" in value:
            return self.configured(value)
        if isinstance(value, Mapping):
            return self.argument(cells_of(value))
        if isinstance(value, list | tuple):
            return Tuple(tuple(self.argument(item) for item in value))
        return self.known(value)

    def use(self, *exprs: Expr) -> None:
        """Note which names expressions need."""
        pending = set(free_names(*exprs))
        while pending:
            name = pending.pop()
            if name in self.used:
                continue
            self.used.add(name)
            if name in self.locals:
                pending |= free_names(self.locals[name])

    def is_open(self, expr: Expr) -> bool:
        """Whether an expression depends on anything that the class is given."""
        return bool(free_names(expr) - self.class_names)

    def is_whole(self, expr: Expr) -> bool:
        """Whether an expression is certainly an integer."""
        return is_whole(expr, self.whole.__contains__)

    def condition(self, written: Data) -> When:
        """A `when`, or its truth where that is known."""
        if not isinstance(written, str):
            return bool(written)
        expr = self.expr(written, truth=True)
        return bool(expr.value) if isinstance(expr, Literal) else expr

    def open_attributes(self, leaf: Leaf, channels: Expr) -> dict[str, Written]:
        """The attributes of a node that depend on something the class is given.

        `channels` are those that arrive at it, which the spec's defaults see.
        """
        found: dict[str, Written] = {}
        for attribute, written in leaf.node.written.items():
            if attribute in ("op", "init"):
                continue
            opened = self._opened(leaf, attribute, written, channels, ())
            if opened is not None:
                found[attribute] = opened
        return found

    def _opened(
        self, leaf: Leaf, attribute: str, written: Data, channels: Expr, around: tuple[str, ...]
    ) -> Written | None:
        """An attribute that depends on something the class is given; None for any other.

        `around` are the attributes that wait for this one.
        """
        translate: Callable[[str], Expr] = partial(self._expr_of, leaf.op, attribute)
        if isinstance(written, Inherited):
            translate = self._inherited(leaf, attribute, written.written, channels, around)
            written = written.written
        if not isinstance(written, str | list | dict):
            return None
        if not self._depends(leaf.op, attribute, written, translate):
            return None
        return self._attribute(leaf.op, attribute, written, translate)

    def _inherited(
        self, leaf: Leaf, attribute: str, written: Data, channels: Expr, around: tuple[str, ...]
    ) -> Callable[[str], Expr]:
        """How to translate a default: it sees the spec's names, and the attributes of its row."""
        cls, node = type(leaf.op), leaf.node
        values: dict[str, Value] = dict(self.facts.references)
        bound = {**self.of_spec, "in_channels": channels}
        for name in names_in(written) - {"in_channels"} - self.of_spec.keys():
            if name in self.facts.spec.vars:
                values[name] = self.facts.common_of(name)
            if name in SIZES:
                values[name] = self._size_at(node, name)
        for name, key in read_by(cls, attribute, written, self.facts.spec.vars).items():
            opened = None
            if key in node.written and key not in around:
                outer = (*around, attribute)
                opened = self._opened(leaf, key, node.written[key], channels, outer)
            bound.pop(name, None)
            if isinstance(opened, Expr):
                bound[name] = opened
            elif opened is not None:
                raise CannotWrite(node.at, f"{attribute} follows from a list")
            else:
                values[name] = as_seen(cls, key, getattr(leaf.op, key))
        words = type(leaf.op).words.get(attribute, ())
        values |= {word: Word(word) for word in words}
        bound = {name: expr for name, expr in bound.items() if name not in words}
        return Translator(values, bound, self.spell_name, None, self.whole.__contains__).translate

    def _size_at(self, node: OfNetwork, name: str) -> Value:
        """The height or width that arrives at a row, where that is the same wherever it stands."""
        assert node.step is not None
        leaves = self.facts.nodes_of(node.step, node.role)
        size = common(sizes_of(leaf.arriving)[name] for leaf in leaves)
        if type(size) is not int:
            raise CannotWrite(node.at, f"{name} is not the same wherever the row stands")
        return size

    def _depends(
        self, op: Op, attribute: str, written: Data, translate: Callable[[str], Expr]
    ) -> bool:
        if isinstance(written, str):
            return not _is_word(op, attribute, written) and self.is_open(translate(written))
        if isinstance(written, list | dict):
            parts = written.values() if isinstance(written, dict) else written
            return any(self._depends(op, attribute, part, translate) for part in parts)
        return False

    def _attribute(
        self, op: Op, attribute: str, written: Data, translate: Callable[[str], Expr]
    ) -> Written:
        if isinstance(written, dict):
            items = written.items()
            return {key: self._attribute(op, attribute, part, translate) for key, part in items}
        if isinstance(written, list):
            return [self._attribute(op, attribute, part, translate) for part in written]
        if not isinstance(written, str):
            return self.known(written)
        expr = translate(written)
        whole = attribute not in RATES and _is_integral(getattr(op, attribute, None))
        if whole and not isinstance(expr, Name | Subscript) and not self.is_whole(expr):
            expr = Call(Name("int"), (expr,))
        self.use(expr)
        if len(flat(expr)) > LONGEST:
            raise TooLong(free_names(expr))
        return expr

    def _expr_of(self, op: Op, attribute: str, written: str) -> Expr:
        """The expression of an attribute; the words that it takes come before all else."""
        words = type(op).words.get(attribute)
        if words is None:
            return self.expr(written)
        bound = {name: expr for name, expr in self.bound.items() if name not in words}
        translator = self._translator(bound, self._hoisted)
        translator.values = {**self.values, **{word: Word(word) for word in words}}
        return translator.translate(written)

    def named(self, expr: Expr, *bases: str) -> Name:
        """A local name for an expression: the one it has, or the first of `bases` that is free."""
        for name, expression in self.widths.items():
            if expression == expr:
                return Name(name)
        numbered = (f"{bases[-1].rstrip('1')}{i}" for i in count(2))
        name = next(name for name in chain(bases, numbered) if name not in self.taken)
        self.taken.add(name)
        self.widths[name] = expr
        self.whole.add(name)
        self.assign(name, expr)
        return Name(name)

    def expanded(self, expr: Expr) -> Expr:
        """An expression with the class's own local names written out."""
        known = {**self.locals, **self.widths}
        for _ in range(len(known) + 1):
            inner = {name: known[name] for name in free_names(expr) if name in known}
            if not inner:
                return expr
            expr = substituted(expr, inner)
        return expr


def _is_word(op: Op, attribute: str, written: str) -> bool:
    return written in type(op).words.get(attribute, ())


def holds_whole_numbers(values: Iterable[Value]) -> bool:
    """Whether values are integers, or lists with nothing but integers in them."""
    return all(
        holds_whole_numbers(value) if isinstance(value, list | tuple) else type(value) is int
        for value in values
    )


def _is_integral(value: Any) -> bool:
    if isinstance(value, tuple):
        return all(_is_integral(part) for part in value)
    return type(value) is int


__all__ = [
    "LONGEST",
    "Argument",
    "CannotWrite",
    "Saved",
    "TooLong",
    "Unit",
]
