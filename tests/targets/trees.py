"""Random trees: every kind of expression and statement, in any place where Python takes it."""

from typing import Any

from hypothesis import strategies as st

from archspec.targets.python import tree
from archspec.targets.python.tree import Expr, Name, Statement

names = st.sampled_from(["x", "width", "nn", "self", "out_channels", "a" * 30])
words = st.sampled_from(["kernel_size", "p", "padding", "b" * 25])
texts = st.text(max_size=8) | st.sampled_from(['"', "'", "\\", "{x}", "\n", "é", "\u202e"])
numbers = st.integers(0, 10**6) | st.floats(0, 1e9) | st.sampled_from([1e-5, 5e-4, 1e20, 0.0, 1.0])
literals = st.builds(tree.Literal, numbers | st.booleans() | st.none() | st.just(...) | texts)
leaves: st.SearchStrategy[Expr] = names.map(Name) | literals
ARITHMETIC = ("+", "-", "*", "/", "//", "%", "|")
COMPARISONS = ("==", "!=", "<", "<=", ">", ">=", "in", "not in", "is", "is not")
OPERATORS = st.sampled_from(ARITHMETIC)


@st.composite
def calls(draw: st.DrawFn, inner: st.SearchStrategy[Expr]) -> tree.Call:
    """A call: by position, starred, then by name, each name once."""
    given = draw(st.lists(inner | st.builds(tree.Starred, inner), max_size=4))
    named = draw(
        st.lists(st.builds(tree.Keyword, words, inner), max_size=2, unique_by=lambda k: k.name)
    )
    return tree.Call(draw(inner), (*given, *named))


def slices(inner: st.SearchStrategy[Expr]) -> st.SearchStrategy[Any]:
    """What stands in a subscript; a tuple there is several indices."""
    index = inner.filter(lambda expr: not isinstance(expr, tree.Tuple))
    one = index | st.builds(tree.Slice, st.none() | index, st.none() | index)
    return one | st.lists(one, min_size=2, max_size=3).map(tuple)


@st.composite
def comparisons(draw: st.DrawFn, inner: st.SearchStrategy[Expr]) -> tree.Compare:
    ops = draw(st.lists(st.sampled_from(COMPARISONS), min_size=1, max_size=3))
    return tree.Compare(tuple(draw(inner) for _ in range(len(ops) + 1)), tuple(ops))


@st.composite
def formats(draw: st.DrawFn) -> tree.Format:
    """Texts and names in turn, as labels have them."""
    parts: list[Expr] = []
    for _ in range(draw(st.integers(1, 3))):
        text = draw(texts)
        parts += [tree.Literal(text)] if text else []
        number = tree.Binary(draw(names.map(Name)), "+", tree.Literal(draw(st.integers(0, 9))))
        parts.append(draw(st.sampled_from([number, number.left])))
    return tree.Format(tuple(parts))


targets = st.recursive(
    names.map(Name),
    lambda inner: st.lists(inner, min_size=1, max_size=3).map(lambda t: tree.Tuple(tuple(t))),
    max_leaves=4,
)


def deeper(inner: st.SearchStrategy[Expr]) -> st.SearchStrategy[Expr]:
    """Expressions of smaller ones."""
    several = st.lists(inner, max_size=4).map(tuple)
    more = st.lists(inner, min_size=2, max_size=3).map(tuple)
    return st.one_of(
        calls(inner),
        st.builds(tree.Attribute, inner, st.sampled_from(["weight", "x"])),
        st.builds(tree.Subscript, inner, slices(inner)),
        st.builds(tree.Tuple, several),
        st.builds(tree.List, several),
        st.builds(tree.Dict, st.lists(st.tuples(inner, inner), max_size=3).map(tuple)),
        st.builds(tree.Unary, st.sampled_from(["-", "+", "not"]), inner),
        st.builds(tree.Binary, inner, OPERATORS, inner),
        st.builds(tree.Binary, inner, OPERATORS, inner),
        comparisons(inner),
        st.builds(tree.Boolean, st.sampled_from(["and", "or"]), more),
        st.builds(tree.Conditional, inner, inner, inner),
        st.builds(tree.Generator, inner, targets, inner),
        formats(),
    )


expressions: st.SearchStrategy[Expr] = st.recursive(leaves, deeper, max_leaves=12)
places = st.one_of(
    names.map(Name),
    st.builds(tree.Attribute, expressions, st.just("weight")),
    st.builds(tree.Subscript, expressions, slices(expressions)),
)
effects = expressions.filter(lambda expr: not isinstance(expr, tree.Literal))  # no docstrings
simple: st.SearchStrategy[Statement] = st.one_of(
    st.builds(tree.Assign, places | targets, expressions),
    st.builds(tree.Assign, names.map(Name), expressions, expressions),
    st.builds(tree.Augment, places, OPERATORS, expressions),
    st.builds(tree.Evaluate, effects),
    st.builds(tree.Return, expressions),
)


def nested(inner: st.SearchStrategy[Statement]) -> st.SearchStrategy[Statement]:
    """Conditions and loops over statements."""
    body = st.lists(inner, min_size=1, max_size=3).map(tuple)
    return st.one_of(
        st.builds(tree.If, expressions, body, body | st.just(())),
        st.builds(tree.For, targets, expressions, body),
    )


statements: st.SearchStrategy[Statement] = st.recursive(simple, nested, max_leaves=6)
bodies = st.lists(statements, min_size=1, max_size=3).map(tuple)


@st.composite
def parameters(draw: st.DrawFn) -> tuple[tree.Parameter, ...]:
    """Those without a default first, those that go by name last."""
    found = []
    for i in range(draw(st.integers(0, 5))):
        by_name = draw(st.booleans())
        default = draw(st.none() | expressions)
        annotation = draw(st.none() | expressions)
        found.append(tree.Parameter(f"argument_{i}", annotation, default, by_name))
    found.sort(key=lambda p: (p.keyword_only, not p.keyword_only and p.default is not None))
    return tuple(found)


functions = st.builds(
    tree.Function, st.sampled_from(["forward", "f"]), parameters(), expressions, bodies
)
fields = st.builds(tree.Field, names, expressions)
classes = st.builds(
    tree.Class,
    st.sampled_from(["Net", "Block"]),
    expressions,
    st.just(""),
    st.lists(fields, max_size=2).map(tuple),
    st.lists(functions, min_size=1, max_size=2).map(tuple),
)
