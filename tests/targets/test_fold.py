"""Expressions rewritten for generated code are worth what the language says they are worth."""

import ast
import math
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from archspec.targets.torch.fold import (
    add_up,
    atom,
    fold,
    free_names,
    literal,
    substitute,
    terms_of,
)
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from archspec.expressions import ExpressionError, Reference, evaluate, make_divisible, parse
from tests.language.test_expressions import expressions

WHOLE = ("width", "i", "wide")
PARTS = {"width": "a + b", "i": "a - a % 7", "ratio": "a / 8 if wide_ else b", "wide": "not wide_"}
"""What stands for the language's names in Python: expressions that bind less than a product."""


def value_of(text: str, names: Mapping[str, Any]) -> Any:
    try:
        return evaluate(parse(text), names)
    except ExpressionError:
        reject()


def python(text: str, names: Mapping[str, Any]) -> Any:
    scope = {"math": math, "_make_divisible": make_divisible, **names}
    return eval(text, {"__builtins__": __builtins__}, scope)  # noqa: S307 - the oracle


def is_whole(name: str) -> bool:
    return name in WHOLE or name in ("a", "b", "wide_")


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
    folded = fold(text, values, {}, str, lambda name: f"{name}_table", is_whole)
    tables = {f"{name}_table": value for name, value in values.items()}
    assert free_names(folded) <= (names.keys() - known) | tables.keys()
    assert python(folded, {**names, **tables}) == expected


@given(expressions, names_of_the_language, some_names)
@settings(max_examples=300, deadline=None)
def test_where_truth_is_asked_for_it_is_as_true(
    text: str, names: dict[str, Any], known: set[str]
) -> None:
    expected = value_of(text, names)
    values = {name: value for name, value in names.items() if name in known}
    folded = fold(text, values, {}, str, lambda _: "widths", is_whole, truth=True)
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
    folded = fold(text, {}, PARTS | {"widths": "(4, 8, 6)"}, str, whole=is_whole)
    assert free_names(folded) <= inner.keys()
    assert python(folded, inner) == expected


@given(expressions, names_of_the_language)
@settings(deadline=None)
def test_where_all_is_known_a_number_is_left(text: str, names: dict[str, Any]) -> None:
    expected = value_of(text, names)
    folded = fold(text, names, {}, str)
    assert ast.literal_eval(folded) == expected


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
    text = add_up(parts)
    assert python(text, names) == sum(python(part, names) for part in parts)
    assert all(terms_of(text).values())  # none is left that comes to nothing


@given(sums, sums, *[st.integers(-9, 9)] * 3)
@settings(max_examples=200, deadline=None)
def test_what_is_substituted_is_worth_the_same(
    text: str, part: str, a: int, b: int, c: int
) -> None:
    names = {"a": a, "b": b, "c": c}
    inner = names | {"a": python(part, names)}
    assert python(substitute(text, {"a": part}), names) == python(text, inner)


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
    assert add_up(parts) == text


def test_the_terms_of_a_sum_are_counted_once() -> None:
    assert terms_of("a + growth + 2 * a - b + 5 - 3") == {"a": 3, "growth": 1, "b": -1, "": 2}


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
        ("three * 1e-4 / 30", "1e-5"),
    ],
)
def test_what_is_known_is_computed_and_the_rest_simplified(text: str, folded: str) -> None:
    values = {"deep": True, "shallow": False, "one": 1, "three": 3}
    assert fold(text, values, {}, str, whole=is_whole) == folded


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
        assert fold(text, values, {}, str, truth=True) == folded


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
    assert fold(text, {"depths": [3, 4, 5]}, {}, str, str.upper) == folded


def test_names_of_ops_and_blocks_are_spelt_by_who_knows() -> None:
    values = {"act": Reference("relu"), "deep": True, "block": Reference("Basic")}
    spelt = {"relu": "nn.ReLU", "Basic": "BasicBlock"}.__getitem__
    assert fold("act if deep else block", values, {}, spelt) == "nn.ReLU"
    assert fold("act if i else block", values, {}, spelt) == "nn.ReLU if i else BasicBlock"
    assert ast.unparse(literal({"c": 16, "act": Reference("relu")}, spelt)) == "(16, nn.ReLU)"


def test_names_are_those_that_are_neither_called_nor_modules() -> None:
    assert free_names("math.ceil(width) + max(i, self.n) * nn.x") == {"width", "i"}


def test_a_choice_inside_a_choice_has_parentheses() -> None:
    assert atom("a if b else c") == "(a if b else c)"
    assert atom("a + b") == "a + b"
