"""Random trees: every kind of expression and statement, in any place where Python takes it."""

from collections.abc import Callable
from random import Random
from typing import Any

from archspec.targets.python import tree
from archspec.targets.python.tree import Expr, Name, Statement

NAMES = ("x", "width", "nn", "self", "out_channels", "a" * 30)
WORDS = ("kernel_size", "p", "padding", "b" * 25)
TEXTS = (
    "text",
    "",
    '"',
    "'",
    "\\",
    "{x}",
    "}",
    "\n",
    "é",
    "\u202e",
    "\x00",
    "# no comment",
    "a\tb",
)
NUMBERS = (0, 1, 7, 88, 10**6, 0.0, 1.0, 0.5, 1e-5, 5e-4, 1.5e-4, 1e20, 123.25)
ARITHMETIC = ("+", "-", "*", "/", "//", "%", "|")
COMPARISONS = ("==", "!=", "<", "<=", ">", ">=", "in", "not in", "is", "is not")


class Grower:
    """Makes trees from random numbers; `depth` is how much may still grow on a branch."""

    def __init__(self, rng: Random) -> None:
        self.rng = rng

    # --- expressions -------------------------------------------------------------------------

    def expression(self, depth: int = 4) -> Expr:
        """An expression of any kind."""
        kinds: list[Callable[[int], Expr]] = [self.name, self.literal]
        if depth:
            kinds += [self.call, self.attribute, self.subscript, self.row, self.items, self.mapping]
            kinds += [self.unary, self.binary, self.binary, self.compare, self.boolean]
            kinds += [self.conditional, self.generator, self.label]
        return self.rng.choice(kinds)(depth - 1)

    def several(self, depth: int, least: int = 0, most: int = 3) -> tuple[Expr, ...]:
        """A few expressions."""
        return tuple(self.expression(depth) for _ in range(self.rng.randint(least, most)))

    def name(self, depth: int = 0) -> Name:
        del depth
        return Name(self.rng.choice(NAMES))

    def literal(self, depth: int) -> Expr:
        del depth
        return tree.Literal(self.rng.choice([*NUMBERS, True, False, None, ..., *TEXTS]))

    def call(self, depth: int) -> Expr:
        """By position, starred, then by name, each name once."""
        given = [
            tree.Starred(expr) if self.rng.random() < 0.2 else expr for expr in self.several(depth)
        ]
        words = self.rng.sample(WORDS, self.rng.randint(0, 2))
        named = [tree.Keyword(word, self.expression(depth)) for word in words]
        return tree.Call(self.expression(depth), (*given, *named))

    def attribute(self, depth: int) -> Expr:
        return tree.Attribute(self.expression(depth), self.rng.choice(["weight", "x"]))

    def subscript(self, depth: int) -> Expr:
        """A tuple in a subscript is several indices."""
        count = self.rng.choice([1, 1, 2, 3])
        indices = tuple(self.index(depth) for _ in range(count))
        return tree.Subscript(self.expression(depth), indices if count > 1 else indices[0])

    def index(self, depth: int) -> Any:
        if self.rng.random() < 0.3:
            ends = (self.rng.choice([None, self.expression(depth)]) for _ in range(2))
            return tree.Slice(*ends)
        expr = self.expression(depth)
        return Name("i") if isinstance(expr, tree.Tuple) else expr

    def row(self, depth: int) -> Expr:
        return tree.Tuple(self.several(depth))

    def items(self, depth: int) -> Expr:
        return tree.List(self.several(depth))

    def mapping(self, depth: int) -> Expr:
        keys, values = self.several(depth, 2, 2), self.several(depth, 2, 2)
        return tree.Dict(tuple(zip(keys, values, strict=True))[: self.rng.randint(0, 2)])

    def unary(self, depth: int) -> Expr:
        return tree.Unary(self.rng.choice(["-", "+", "not"]), self.expression(depth))

    def binary(self, depth: int) -> Expr:
        op = self.rng.choice(ARITHMETIC)
        return tree.Binary(self.expression(depth), op, self.expression(depth))

    def compare(self, depth: int) -> Expr:
        operands = self.several(depth, 2, 3)
        return tree.Compare(operands, tuple(self.rng.choice(COMPARISONS) for _ in operands[1:]))

    def boolean(self, depth: int) -> Expr:
        return tree.Boolean(self.rng.choice(["and", "or"]), self.several(depth, 2, 3))

    def conditional(self, depth: int) -> Expr:
        return tree.Conditional(*self.several(depth, 3, 3))

    def generator(self, depth: int) -> Expr:
        return tree.Generator(self.expression(depth), self.target(), self.expression(depth))

    def label(self, depth: int) -> Expr:
        """Texts and numbers in turn, as labels have them."""
        del depth
        parts: list[Expr] = []
        for _ in range(self.rng.randint(1, 3)):
            text = self.rng.choice(TEXTS)
            parts += [tree.Literal(text)] if text else []
            count = tree.Binary(Name("i"), "+", Name("n"))
            parts.append(self.name() if self.rng.random() < 0.5 else count)
        return tree.Format(tuple(parts))

    def target(self, depth: int = 2) -> Expr:
        """What a loop binds."""
        if not depth or self.rng.random() < 0.6:
            return self.name()
        count = self.rng.randint(1, 3)
        return tree.Tuple(tuple(self.target(depth - 1) for _ in range(count)))

    # --- statements --------------------------------------------------------------------------

    def body(self, depth: int = 2) -> tuple[Statement, ...]:
        """A few statements."""
        return tuple(self.statement(depth) for _ in range(self.rng.randint(1, 3)))

    def statement(self, depth: int = 2) -> Statement:
        """A statement of any kind."""
        kinds: list[Callable[[int], Statement]] = [
            self.assign,
            self.annotated,
            self.augment,
            self.evaluate,
            lambda _: tree.Return(self.expression()),
        ]
        if depth:
            kinds += [self.condition, self.condition, self.loop]
        return self.rng.choice(kinds)(depth - 1)

    def place(self) -> Expr:
        """One thing that can be assigned to."""
        kinds: list[Callable[[int], Expr]] = [self.name, self.attribute, self.subscript]
        return self.rng.choice(kinds)(1)

    def assign(self, depth: int) -> Statement:
        del depth
        return tree.Assign(self.rng.choice([self.place(), self.target()]), self.expression())

    def annotated(self, depth: int) -> Statement:
        del depth
        return tree.Assign(self.name(), self.expression(), self.expression(2))

    def augment(self, depth: int) -> Statement:
        del depth
        return tree.Augment(self.place(), self.rng.choice(ARITHMETIC), self.expression())

    def evaluate(self, depth: int) -> Statement:
        """Anything but a text, which would be a docstring."""
        return tree.Evaluate(self.call(depth + 2))

    def condition(self, depth: int) -> Statement:
        orelse = self.body(depth) if self.rng.random() < 0.5 else ()
        return tree.If(self.expression(2), self.body(depth), orelse)

    def loop(self, depth: int) -> Statement:
        return tree.For(self.target(), self.expression(2), self.body(depth))

    # --- definitions -------------------------------------------------------------------------

    def function(self) -> tree.Function:
        """A function; parameters without a default first, those that go by name last."""
        found = []
        for i in range(self.rng.randint(0, 6)):
            default = self.rng.choice([None, self.expression(2)])
            annotation = self.rng.choice([None, self.expression(2)])
            by_name = self.rng.random() < 0.3
            found.append(tree.Parameter(f"argument_{i}", annotation, default, by_name))
        found.sort(key=lambda p: (p.keyword_only, not p.keyword_only and p.default is not None))
        return tree.Function("forward", tuple(found), self.expression(2), self.body())

    def cls(self) -> tree.Class:
        """A class of fields and methods."""
        fields = [
            tree.Field(f"field_{i}", self.expression(2)) for i in range(self.rng.choice([0, 2]))
        ]
        methods = (self.function(), self.function())[: self.rng.randint(1, 2)]
        return tree.Class(
            "Net", self.expression(2), "", tuple(fields[self.rng.randint(0, 2) :]), methods
        )
