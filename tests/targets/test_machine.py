"""The machine executes a tree as Python executes its text."""

import math
from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archspec.targets.python import tree
from archspec.targets.python.machine import Machine
from archspec.targets.python.objects import MachineError
from archspec.targets.python.printer import signature, statements
from archspec.targets.python.tree import Expr, Name, Statement
from archspec.targets.torch.framework import Torch
from tests.targets.reader import read

NAMES = ("a", "b", "c", "items")
CALLS = ("min", "max", "len", "sum", "round", "int", "float", "math.ceil", "math.floor")


class Program:
    """Makes functions over numbers and lists: loops, conditions, calls."""

    def __init__(self, rng: Random) -> None:
        self.rng = rng

    def function(self) -> tree.Function:
        """A function of a number, with defaults, that returns all it knows."""
        known = tree.List(tuple(map(Name, NAMES)))
        start = tuple(tree.Assign(Name(name), self.literal(0)) for name in NAMES[1:3])
        items = tree.Assign(Name("items"), tree.List(tuple(self.literal(0) for _ in range(3))))
        parameters = (
            tree.Parameter("a"),
            tree.Parameter("step", None, tree.Literal(2)),
            tree.Parameter("deep", None, tree.Literal(value=True), keyword_only=True),
        )
        body = (*start, items, *self.body(3), tree.Return(known))
        return tree.Function("f", parameters, tree.Literal(None), body)

    def body(self, depth: int) -> tuple[Statement, ...]:
        """A few statements."""
        return tuple(self.statement(depth) for _ in range(self.rng.randint(1, 4)))

    def statement(self, depth: int) -> Statement:
        kinds: list[Callable[[int], Statement]] = [self.assign, self.augment, self.append]
        if depth:
            kinds += [self.condition, self.loop, self.loop]
        return self.rng.choice(kinds)(depth - 1)

    def assign(self, depth: int) -> Statement:
        names = self.rng.sample(["a", "b", "c"], 2)
        if self.rng.random() < 0.3:
            both = tree.Tuple((self.number(2), self.number(2)))
            return tree.Assign(tree.Tuple(tuple(map(Name, names))), both)
        if self.rng.random() < 0.2:
            return tree.Assign(tree.Subscript(Name("items"), tree.Literal(0)), self.number(2))
        return tree.Assign(Name(names[0]), self.number(depth + 2))

    def augment(self, depth: int) -> Statement:
        if self.rng.random() < 0.2:
            return tree.Augment(Name("items"), "+", tree.List((self.number(1),)))
        name = Name(self.rng.choice("abc"))
        return tree.Augment(name, self.rng.choice(["+", "-", "*", "//", "%"]), self.number(depth))

    def append(self, depth: int) -> Statement:
        return tree.Evaluate(tree.call("items.append", self.number(depth)))

    def condition(self, depth: int) -> Statement:
        orelse = self.body(depth) if self.rng.random() < 0.6 else ()
        return tree.If(self.number(2), self.body(depth), orelse)

    def loop(self, depth: int) -> Statement:
        """Over a range, a list, its numbers, two lists at once; some of them return."""
        name, other = Name("i"), Name("j")
        short = tree.Subscript(Name("items"), tree.Slice(None, tree.Literal(3)))
        ways: list[tuple[Expr, Expr]] = [
            (name, tree.call("range", tree.Literal(self.rng.randint(0, 4)))),
            (name, short),
            (tree.Tuple((name, other)), tree.call("enumerate", short, start=tree.Literal(1))),
            (tree.Tuple((name, other)), tree.call("zip", short, short)),
        ]
        target, iterable = self.rng.choice(ways)
        body = (*self.body(depth), tree.Assign(Name("b"), tree.Binary(Name("b"), "+", name)))
        if self.rng.random() < 0.2:
            body = (*body, tree.If(self.number(1), (tree.Return(name),)))
        return tree.For(target, iterable, body)

    # --- numbers -----------------------------------------------------------------------------

    def number(self, depth: int) -> Expr:
        """An expression that is a number, mostly."""
        kinds: list[Callable[[int], Expr]] = [self.name, self.literal]
        if depth > 0:
            kinds += [self.binary, self.binary, self.compare, self.boolean, self.conditional]
            kinds += [self.call, self.index, self.unary, self.generator, self.label]
        return self.rng.choice(kinds)(depth - 1)

    def name(self, depth: int) -> Expr:
        del depth
        return Name(self.rng.choice(["a", "b", "c", "step", "deep"]))

    def literal(self, depth: int) -> Expr:
        del depth
        return tree.Literal(self.rng.choice([0, 1, 2, 3, 0.5, 2.0, True]))

    def binary(self, depth: int) -> Expr:
        op = self.rng.choice(["+", "-", "*", "/", "//", "%"])
        return tree.Binary(self.number(depth), op, self.number(depth))

    def compare(self, depth: int) -> Expr:
        ops = self.rng.choices(["==", "!=", "<", "<=", ">", ">="], k=2)
        return tree.Compare(tuple(self.number(depth) for _ in range(3)), tuple(ops))

    def boolean(self, depth: int) -> Expr:
        op = self.rng.choice(["and", "or"])
        return tree.Boolean(op, (self.number(depth), self.number(depth)))

    def conditional(self, depth: int) -> Expr:
        return tree.Conditional(self.number(depth), self.number(depth), self.number(depth))

    def call(self, depth: int) -> Expr:
        name = self.rng.choice(CALLS)
        one, other = self.number(depth), self.number(depth)
        if name in ("len", "sum"):
            return tree.call(name, tree.List((one, other)))
        return tree.call(name, *((one, other) if name in ("min", "max") else (one,)))

    def index(self, depth: int) -> Expr:
        del depth
        return tree.Subscript(Name("items"), tree.Literal(self.rng.choice([0, 1])))

    def unary(self, depth: int) -> Expr:
        return tree.Unary(self.rng.choice(["not", "-", "+"]), self.number(depth))

    def generator(self, depth: int) -> Expr:
        """A sum over a part of a list; the variable is the generator's own."""
        element = tree.Binary(Name("k"), "*", self.number(depth))
        part = tree.Subscript(Name("items"), tree.Slice(tree.Literal(1), tree.Literal(3)))
        return tree.call("sum", tree.Generator(element, Name("k"), part))

    def label(self, depth: int) -> Expr:
        del depth
        return tree.call("len", tree.Format((tree.Literal("n"), Name("a"))))


def text_of(function: tree.Function) -> str:
    return "\n".join([*signature(function, 0), *statements(function.body, 4)])


def by_python(function: tree.Function, *arguments: Any, **keywords: Any) -> Any:
    """What Python makes of a function's text."""
    scope: dict[str, Any] = {"math": math}
    exec(text_of(function), scope)  # noqa: S102 - the oracle
    return scope["f"](*arguments, **keywords)


def by_machine(function: tree.Function, *arguments: Any, **keywords: Any) -> Any:
    machine = Machine([function], Torch(), imported=["math"])
    return machine.call(machine.globals["f"], arguments, keywords)


@given(st.integers(0, 2**32), st.integers(-3, 9), st.booleans())
@settings(max_examples=300, deadline=None)
def test_it_executes_what_python_executes(seed: int, a: int, deep: bool) -> None:  # noqa: FBT001 - drawn
    function = Program(Random(seed)).function()  # noqa: S311 - a test
    try:
        expected = by_python(function, a, deep=deep)
    except (ArithmeticError, ValueError, TypeError) as error:
        with pytest.raises(type(error)):
            by_machine(function, a, deep=deep)
        return
    assert repr(by_machine(function, a, deep=deep)) == repr(expected)


@pytest.mark.parametrize(
    ("arguments", "keywords"),
    [((1, 2, 3), {}), ((1,), {"a": 2}), ((1,), {"other": 2})],
    ids=["too many", "twice", "unknown"],
)
def test_it_refuses_a_call_that_python_refuses(
    arguments: tuple[Any, ...], keywords: dict[str, Any]
) -> None:
    (function,) = read("def f(a, step=1, *, deep=True):\n    return a + step")
    assert isinstance(function, tree.Function)
    with pytest.raises(TypeError):
        by_python(function, *arguments, **keywords)
    with pytest.raises(MachineError):
        by_machine(function, *arguments, **keywords)


def test_a_loop_without_end_is_stopped() -> None:
    text = "def f(a):\n    for i in range(a):\n        for j in range(a):\n            b = i\n"
    (function,) = read(text)
    assert isinstance(function, tree.Function)
    with pytest.raises(MachineError, match="too long"):
        by_machine(function, 10**6)
