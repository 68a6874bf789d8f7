"""Expressions rewritten for generated code are worth what the language says they are worth."""

import ast
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from archspec.expressions import (
    MAX_MAGNITUDE,
    ExpressionError,
    Reference,
    evaluate,
    make_divisible,
    parse,
)
from archspec.targets.python import arithmetic
from archspec.targets.python.arithmetic import (
    Unknown,
    add_up,
    free_names,
    product,
    simplify,
    substituted,
    terms_of,
    times_sizes,
)
from archspec.targets.python.language import Translator
from archspec.targets.python.text import flat, spell
from archspec.targets.python.tree import Expr, Name, dotted
from tests.language.test_expressions import expressions
from tests.targets.reader import read_expression

WHOLE = ("width", "i", "wide")
PARTS = {"width": "a + b", "i": "a - a % 7", "ratio": "a / 8 if wide_ else b", "wide": "not wide_"}
"""What stands for the language's names in Python: expressions that bind less than a product."""


def value_of(text: str, names: Mapping[str, Any]) -> Any:
    try:
        return evaluate(parse(text), names)
    except ExpressionError:
        reject()


def python(expr: Expr | str, names: Mapping[str, Any]) -> Any:
    """What Python itself makes of an expression."""
    scope = {"math": math, "_make_divisible": make_divisible, **names}
    text = expr if isinstance(expr, str) else flat(expr)
    return eval(text, {"__builtins__": __builtins__}, scope)  # noqa: S307 - the oracle


def same(found: Any, expected: Any) -> bool:
    """Whether two values are equal and of one kind: 2.0 is not 2, but true is as good as 1."""
    if isinstance(found, list | tuple) and isinstance(expected, list | tuple):
        return len(found) == len(expected) and all(map(same, found, expected))
    return isinstance(found, float) is isinstance(expected, float) and bool(found == expected)


def is_whole(name: str) -> bool:
    return name in WHOLE or name in ("a", "b", "wide_")


def translated(
    text: str,
    values: Mapping[str, Any],
    bound: Mapping[str, str] | None = None,
    named: Callable[[str], str] = str,
    hoisted: Callable[[str], str] | None = None,
    *,
    truth: bool = False,
) -> Expr:
    """An expression of the language for a place where these names are known."""
    translator = Translator(
        values,
        {name: read_expression(part) for name, part in (bound or {}).items()},
        lambda name: dotted(named(name)),
        None if hoisted is None else lambda name: Name(hoisted(name)),
        is_whole,
    )
    return translator.translate(text, truth=truth)


names_of_the_language = st.fixed_dictionaries(
    {
        "width": st.integers(0, 99),
        "i": st.integers(-2, 3),
        "ratio": st.floats(-4, 4) | st.sampled_from([0.0, 0.25, 1.0, 3.0]),
        "wide": st.booleans(),
        "widths": st.lists(st.integers(0, 60), min_size=3, max_size=3),
    }
)
some_names = st.sets(st.sampled_from(["width", "i", "ratio", "wide", "widths"]))


@given(expressions, names_of_the_language, some_names)
@settings(max_examples=600, deadline=None)
def test_folded_it_is_worth_the_same(text: str, names: dict[str, Any], known: set[str]) -> None:
    """Whichever names are known, and whatever the others are."""
    expected = value_of(text, names)
    values = {name: value for name, value in names.items() if name in known}
    folded = translated(text, values, hoisted="{}_table".format)
    tables = {f"{name}_table": value for name, value in values.items()}
    assert free_names(folded) <= (names.keys() - known) | tables.keys()
    assert same(python(folded, {**names, **tables}), expected)


@given(expressions, names_of_the_language, some_names)
@settings(max_examples=300, deadline=None)
def test_where_truth_is_asked_for_it_is_as_true(
    text: str, names: dict[str, Any], known: set[str]
) -> None:
    expected = value_of(text, names)
    values = {name: value for name, value in names.items() if name in known}
    folded = translated(text, values, hoisted=lambda _: "widths", truth=True)
    assert bool(python(folded, names)) is bool(expected)


@given(
    expressions,
    st.fixed_dictionaries(
        {"a": st.integers(0, 40), "b": st.integers(1, 40), "wide_": st.booleans()}
    ),
)
@settings(max_examples=300, deadline=None)
def test_with_expressions_in_place_of_names_it_is_worth_the_same(
    text: str, inner: dict[str, Any]
) -> None:
    names = {name: python(part, inner) for name, part in PARTS.items()} | {"widths": [4, 8, 6]}
    expected = value_of(text, names)
    folded = translated(text, {}, PARTS | {"widths": "(4, 8, 6)"})
    assert free_names(folded) <= inner.keys()
    assert same(python(folded, inner), expected)


@given(expressions, names_of_the_language)
@settings(deadline=None)
def test_where_all_is_known_a_number_is_left(text: str, names: dict[str, Any]) -> None:
    expected = value_of(text, names)
    assert same(ast.literal_eval(flat(translated(text, names))), expected)


sums = st.recursive(
    st.one_of(st.sampled_from("abc"), st.integers(0, 9).map(str)),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from([" + ", " - "]), inner).map("".join),
        inner.map("-({})".format),
        inner.map("({})".format),
        st.tuples(st.integers(-3, 3), inner).map(lambda pair: f"{pair[0]} * ({pair[1]})"),
        st.tuples(inner, inner).map(lambda pair: f"({pair[0]}) * ({pair[1]})"),
        st.tuples(inner, inner).map(lambda pair: f"({pair[0]} if {pair[1]} else a)"),
        st.tuples(inner, st.integers(1, 4)).map(lambda pair: f"({pair[0]}) // {pair[1]}"),
        st.tuples(inner, inner).map(lambda pair: f"(not {pair[0]} or {pair[1]} < b)"),
        inner.map("round({} * 1.5)".format),
    ),
    max_leaves=6,
)


@given(st.lists(sums, min_size=1, max_size=4), *[st.integers(-9, 9)] * 3)
@settings(max_examples=400, deadline=None)
def test_a_sum_is_worth_what_its_parts_are(parts: list[str], a: int, b: int, c: int) -> None:
    names = {"a": a, "b": b, "c": c}
    total = add_up(map(read_expression, parts))
    assert same(python(total, names), sum(python(part, names) for part in parts))
    assert all(terms_of(total).values())  # none is left that comes to nothing


@given(sums, sums, *[st.integers(-9, 9)] * 3)
@settings(max_examples=200, deadline=None)
def test_what_is_substituted_is_worth_the_same(
    text: str, part: str, a: int, b: int, c: int
) -> None:
    names = {"a": a, "b": b, "c": c}
    inner = names | {"a": python(part, names)}
    put_in = substituted(read_expression(text), {"a": read_expression(part)})
    assert python(put_in, names) == python(text, inner)


@given(sums, sums, st.lists(st.integers(1, 4), max_size=3), *[st.integers(-9, 9)] * 3)
@settings(max_examples=200, deadline=None)
def test_a_product_is_worth_what_its_factors_are(
    left: str, right: str, sizes: list[int], a: int, b: int, c: int
) -> None:
    names = {"a": a, "b": b, "c": c}
    one, other = read_expression(left), read_expression(right)
    found = python(product(one, other), names)
    assert found == python(left, names) * python(right, names)
    scaled = python(times_sizes(one, sizes), names)
    assert scaled == math.prod([python(left, names), *sizes])


numbers = st.integers(-40, 40).map(str) | st.floats(-8, 8).map(repr).filter(lambda t: "e" not in t)
mixed = st.recursive(
    numbers | st.sampled_from(["whole", "other", "real", "flag"]),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["+", "-", "*", "/", "//", "%"]), inner).map(
            lambda three: "({}) {} ({})".format(*three)
        ),
        st.tuples(inner, st.sampled_from(["0", "1", "2", "3", "-1", "-2"])).map(
            lambda pair: "({}) ** ({})".format(*pair)
        ),
        st.tuples(inner, st.sampled_from(["*", "//", "+", "-"]), st.sampled_from("01248")).map(
            lambda three: "({}) {} {}".format(*three)
        ),
        st.tuples(inner, st.sampled_from(["<", "==", ">="]), inner).map(
            lambda three: "(({}) {} ({}))".format(*three)
        ),
        st.tuples(inner, st.sampled_from(["and", "or"]), inner, inner).map(
            lambda four: "(({0}) {1} ({2}) {1} ({3}))".format(*four)
        ),
        st.tuples(inner, inner, inner).map(lambda three: "(({}) if ({}) else ({}))".format(*three)),
        st.tuples(st.sampled_from(["-", "+", "not "]), inner).map(
            lambda pair: "({}({}))".format(*pair)
        ),
        st.tuples(st.sampled_from(["min", "max"]), inner, inner).map(
            lambda three: "{}({}, {})".format(*three)
        ),
        st.tuples(st.sampled_from(["round", "math.ceil", "math.floor", "int"]), inner).map(
            lambda pair: "{}({})".format(*pair)
        ),
    ),
    max_leaves=8,
)
bindings = st.fixed_dictionaries(
    {
        "whole": st.integers(-9, 60),
        "other": st.integers(-3, 9),
        "real": st.floats(-8, 8),
        "flag": st.booleans(),
    }
)


@given(mixed, bindings)
@settings(max_examples=1000, deadline=None)
def test_simplified_it_is_the_same_number_of_the_same_kind(
    text: str, names: dict[str, Any]
) -> None:
    """Over whole numbers, floats and truth values."""
    try:
        expected = python(text, names)
    except (ArithmeticError, ValueError, TypeError):
        reject()
    if isinstance(expected, complex) or not abs(expected) <= MAX_MAGNITUDE:
        reject()
    simple = simplify(read_expression(text), lambda name: name in ("whole", "other"))
    assert same(python(simple, names), expected)


@given(mixed, bindings)
@settings(max_examples=300, deadline=None)
def test_a_value_is_the_one_that_python_computes(text: str, names: dict[str, Any]) -> None:
    try:
        found = arithmetic.value_of(read_expression(text), names)
    except Unknown:
        reject()
    assert same(found, python(text, names))


@pytest.mark.parametrize(
    ("text", "simple"),
    [
        ("whole * 4 // 4", "whole"),
        ("4 * whole // 4", "whole"),
        ("whole * 8 // 4", "whole * 2"),
        ("8 * whole // 4", "2 * whole"),
        ("whole * 4 // 8", "whole * 4 // 8"),
        ("whole * 4 // 3", "whole * 4 // 3"),
        ("whole * 4 // 0", "whole * 4 // 0"),
        ("whole * 4 // 4.0", "whole * 4 // 4.0"),
        ("whole // 1", "whole"),
        ("whole // 1.0", "whole // 1.0"),
        ("real // 1", "real // 1"),
        ("real * 4 // 4", "real * 4 // 4"),
        ("whole * 4.0 // 4", "whole * 4.0 // 4"),
        ("whole * 1.0", "whole * 1.0"),
        ("whole + 0.0", "whole + 0.0"),
        ("whole - 0", "whole"),
        ("whole / 1", "whole / 1"),
        ("(whole + other) * 2 // 2", "whole + other"),
    ],
)
def test_whole_numbers_are_divided_and_floats_are_left(text: str, simple: str) -> None:
    found = simplify(read_expression(text), lambda name: name in ("whole", "other"))
    assert flat(found) == simple


@pytest.mark.parametrize(
    ("parts", "text"),
    [
        (["a", "a", "b"], "2 * a + b"),
        (["a", "b - a"], "b"),
        (["channels", "round(f * width) - channels"], "round(f * width)"),
        (["-a", "b"], "b - a"),
        (["-3 * a", "b"], "b - 3 * a"),
        (["a - (b - c)"], "a + c - b"),
        (["a - -b"], "a + b"),
        (["3", "-a"], "3 - a"),
        (["a", "-3"], "a - 3"),
        (["a", "3", "4"], "a + 7"),
        (["a - a"], "0"),
        (["-a"], "-a"),
        (["-(a * b)", "3"], "3 - a * b"),
        (["64 if i == 0 else 256"], "64 if i == 0 else 256"),
        (["64 if i == 0 else 256", "c"], "(64 if i == 0 else 256) + c"),
        (["c", "64 if i == 0 else 256", "64 if i == 0 else 256"],
         "c + 2 * (64 if i == 0 else 256)"),
    ],
)  # fmt: skip
def test_sums_as_one_writes_them(parts: Sequence[str], text: str) -> None:
    assert flat(add_up(map(read_expression, parts))) == text


def test_the_terms_of_a_sum_are_counted_once() -> None:
    terms = terms_of(read_expression("a + growth + 2 * a - b + 5 - 3"))
    assert terms == {Name("a"): 3, Name("growth"): 1, Name("b"): -1, None: 2}


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("width * 2 if deep else width", "width * 2"),
        ("width if shallow else 3", "3"),
        ("width if i == 0 else width", "width"),
        ("width if i == 0 and deep else 3", "width if i == 0 else 3"),
        ("width if i and deep else 3", "width if i else 3"),
        ("not (i and deep)", "not i"),
        ("deep and i == 0", "i == 0"),
        ("i == 0 and deep", "i == 0"),
        ("i == 0 and shallow", "False"),
        ("i == 0 or deep", "True"),
        ("shallow or i == 0", "i == 0"),
        ("i and deep", "i and True"),
        ("i or 5", "i or 5"),
        ("(i == 0) or 5", "i == 0 or 5"),
        ("deep and shallow and i", "False"),
        ("1 * width + 0", "width"),
        ("width * one // one", "width"),
        ("ratio // one", "ratio // 1"),
        ("width / one", "width / 1"),
        ("0 + width * (3 - 2)", "width"),
        ("(width + 1) * three", "(width + 1) * 3"),
        ("min(three, 2) * i", "2 * i"),
        ("ceil(width / three)", "math.ceil(width / 3)"),
        ("make_divisible(width * 0.25)", "_make_divisible(width * 0.25)"),
        ("make_divisible(three * 7)", "24"),
        ("1 / 0 + three", "1 / 0 + 3"),
        ("true", "True"),
        ("-three", "-3"),
        ("-(-width)", "width"),
        ("-(-(-width))", "-width"),
        ("+(+width) - (-width)", "+width - -width"),
        ("three * 1e-4 / 30", "1e-5"),
    ],
)
def test_what_is_known_is_computed_and_the_rest_simplified(text: str, folded: str) -> None:
    values = {"deep": True, "shallow": False, "one": 1, "three": 3}
    assert flat(translated(text, values)) == folded


def test_of_a_condition_only_its_truth_is_kept() -> None:
    values = {"deep": True, "shallow": False}
    for text, folded in {
        "i and deep": "i",
        "i or shallow": "i",
        "i and shallow": "False",
        "i or 5": "True",
        "(i or shallow) and (deep and width)": "i and width",
        "deep and true": "True",
    }.items():
        assert flat(translated(text, values, truth=True)) == folded


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("depths[0]", "3"),
        ("depths[-1]", "5"),
        ("sum(depths[:2])", "7"),
        ("len(depths)", "3"),
        ("depths[i]", "DEPTHS[i]"),
        ("sum(depths[:i])", "sum(DEPTHS[:i])"),
        ("sum(depths[i:])", "sum(DEPTHS[i:])"),
        ("sum(depths[i + 1:])", "sum(DEPTHS[i + 1 :])"),
        ("sum(depths[:width - 1])", "sum(DEPTHS[: width - 1])"),
        ("sum(depths[i + 1:width - 1])", "sum(DEPTHS[i + 1 : width - 1])"),
        ("i in depths", "i in DEPTHS"),
        ("i in [1, 2]", "i in (1, 2)"),
        ("open[1:]", "open[1:]"),
    ],
)
def test_lists_get_a_name_where_a_place_in_them_is_open(text: str, folded: str) -> None:
    assert flat(translated(text, {"depths": [3, 4, 5]}, hoisted=str.upper)) == folded


def test_names_of_ops_and_blocks_are_spelt_by_who_knows() -> None:
    values = {"act": Reference("relu"), "deep": True, "block": Reference("Basic")}
    spelt = {"relu": "nn.ReLU", "Basic": "BasicBlock"}.__getitem__

    def spell_out(text: str) -> str:
        return flat(translated(text, values, named=spelt))

    assert spell_out("act if deep else block") == "nn.ReLU"
    assert spell_out("act if i else block") == "nn.ReLU if i else BasicBlock"
    translator = Translator({}, {}, lambda name: dotted(spelt(name)))
    assert flat(translator.known({"c": 16, "act": Reference("relu")})) == "(16, nn.ReLU)"


def test_names_are_those_that_are_neither_called_nor_modules() -> None:
    expr = read_expression("math.ceil(width) + max(i, self.n) * nn.x")
    assert free_names(expr) == {"width", "i"}


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("n * 2 + 1", True),
        ("n / 2", False),
        ("n // 2", True),
        ("f // 2", False),
        ("f * 2", False),
        ("math.ceil(f)", True),
        ("round(f)", True),
        ("round(f, 1)", False),
        ("max(n, 3)", True),
        ("max(n, f)", False),
        ("_make_divisible(f)", True),
        ("n if f > 1 else 2", True),
        ("n if n else 0.5", False),
        ("f < 1", True),
        ("-n", True),
        ("-f", False),
        ("not f", True),
        ("n or f", False),
        ("len((f,))", True),
        ("sum((n, 1))", True),
        ("(1, 2.5)[n]", False),
        ("self.n", False),
    ],
)
def test_whole_numbers_are_recognised(text: str, whole: bool) -> None:  # noqa: FBT001 - a table
    assert arithmetic.is_whole(read_expression(text), lambda name: name == "n") is whole


@pytest.mark.parametrize(
    ("text", "sizes", "expected"),
    [
        ("256", (6, 6), "256 * 6 * 6"),
        ("256", (1, 1), "256"),
        ("1", (28, 28), "28 * 28"),
        ("a + b", (6, 1), "(a + b) * 6"),
        ("a // b", (6, 2), "a // b * 6 * 2"),
        ("a if b else c", (2, 2), "(a if b else c) * 2 * 2"),
    ],
)
def test_products_as_one_writes_them(text: str, sizes: Sequence[int], expected: str) -> None:
    assert flat(times_sizes(read_expression(text), sizes)) == expected


@pytest.mark.parametrize(
    ("value", "text"),
    [
        *((1e-05, "1e-5"), (0.0005, "5e-4"), (0.00015, "1.5e-4"), (-0.0004, "-4e-4")),
        *((0.001, "0.001"), (0.5, "0.5"), (2, "2"), (True, "True"), (1e20, "1e20"), (0.0, "0.0")),
    ],
)
def test_numbers_are_spelt_as_people_do(value: float, text: str) -> None:
    assert spell(value) == text
    assert float(text if text != "True" else "1") == value


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_is_the_same_when_it_is_read(value: float) -> None:
    assert same(ast.literal_eval(spell(value)), value)
