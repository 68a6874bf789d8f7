"""The expression grammar agrees with Python wherever both say something, and is never harmful."""

import math
from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archspec.expressions import (
    FUNCTIONS,
    MAX_LENGTH,
    MAX_MAGNITUDE,
    ExpressionError,
    evaluate,
    make_divisible,
    parse,
    to_python,
)

NAMES: dict[str, Any] = {"width": 64, "i": 0, "ratio": 0.25, "wide": True, "widths": [16, 24, 40]}
SCOPE = {"math": math, "_make_divisible": make_divisible, **NAMES}


def value_of(text: str) -> Any:
    return evaluate(parse(text), NAMES)


def value_or_problem(text: str) -> Any:
    try:
        return value_of(text)
    except ExpressionError as error:
        return error


def python_of(text: str) -> Any:
    return eval(to_python(parse(text)), {"__builtins__": __builtins__}, SCOPE)  # noqa: S307 - the oracle


numbers = st.one_of(
    st.integers(0, 2000).map(str),
    st.floats(0, 1e6, allow_nan=False).map(repr),
    st.sampled_from(["1e-3", ".5", "2.", "width", "i", "ratio", "true", "false", "wide"]),
)
comparisons = st.sampled_from(["==", "!=", "<", "<=", ">", ">="])


def deeper(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Well-formed expressions made of smaller ones that are numbers."""
    few = st.lists(inner, min_size=2, max_size=4).map(", ".join)
    binary = st.sampled_from(["+", "-", "*", "/", "//", "%"])
    return st.one_of(
        st.tuples(inner, binary, inner).map(" ".join),
        inner.map("({})".format),
        inner.map("-{}".format),
        inner.map("+ {}".format),
        inner.map("(not {})".format),
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(" ".join),
        st.tuples(inner, comparisons, inner).map(" ".join),
        st.tuples(inner, comparisons, inner, comparisons, inner).map(" ".join),
        st.tuples(inner, st.sampled_from(["in", "not in"]), few).map(
            lambda part: f"({part[0]} {part[1]} [{part[2]}])"
        ),
        st.tuples(inner, inner, inner).map(lambda part: f"({part[0]} if {part[1]} else {part[2]})"),
        st.tuples(st.sampled_from(["min", "max"]), few).map(lambda part: f"{part[0]}({part[1]})"),
        few.map("sum([{}])".format),
        few.map("len([{}])".format),
        st.tuples(few, st.integers(-2, 1)).map(lambda part: f"[{part[0]}][{part[1]}]"),
        st.integers(-3, 2).map("widths[{}]".format),
        st.tuples(st.integers(-4, 4), st.integers(-4, 4)).map(
            lambda ends: f"len(widths[{ends[0]}:{ends[1]}])"
        ),
        st.tuples(st.sampled_from(["ceil", "floor", "round"]), inner).map(
            lambda part: f"{part[0]}({part[1]})"
        ),
        st.tuples(inner, st.integers(0, 3)).map(lambda part: f"round({part[0]}, {part[1]})"),
        st.tuples(inner, st.integers(1, 16)).map(
            lambda part: f"make_divisible({part[0]}, {part[1]})"
        ),
    )


expressions = st.recursive(numbers, deeper, max_leaves=8).filter(
    lambda text: len(text) <= MAX_LENGTH
)


@given(expressions)
@settings(max_examples=400)
def test_a_well_formed_expression_is_what_python_makes_of_it(text: str) -> None:
    ours = value_or_problem(text)
    if isinstance(ours, ExpressionError):
        refusals = ("division by zero", "larger than 10^15", "cannot be computed", "too deeply")
        assert any(word in ours.problem for word in refusals), ours.problem
        return
    theirs = python_of(text)
    assert ours == theirs
    assert type(ours) is type(theirs)


@given(expressions)
def test_printing_as_python_is_stable(text: str) -> None:
    with suppress(ExpressionError):
        printed = to_python(parse(text))
        assert printed == to_python(parse(text))
        assert "\n" not in printed


FRAGMENTS = [*FUNCTIONS, *NAMES, *"+-*/%()[],.<>=!~^&|@:;'\"\\#{} \n\t", "**", "//", "if", "else"]
FRAGMENTS += ["lambda", "for", "in", "not", "and", "or", "is", "0", "9" * 20, "1e308", "1j", "é"]


@given(st.one_of(st.text(), st.lists(st.sampled_from(FRAGMENTS), max_size=40).map(" ".join)))
@settings(max_examples=400)
def test_any_text_gives_a_value_or_a_located_problem(text: str) -> None:
    value = value_or_problem(text)
    if isinstance(value, ExpressionError):
        assert value.problem
        assert 0 <= value.column <= max(len(text), 1)
        return
    assert_bounded(value)


def assert_bounded(value: Any) -> None:
    if isinstance(value, list):
        for item in value:
            assert_bounded(item)
        return
    assert isinstance(value, int | float)
    assert abs(value) <= MAX_MAGNITUDE


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2 + 3 * 4", 14),
        ("(2 + 3) * 4", 20),
        ("7 // 2", 3),
        ("-7 // 2", -4),
        ("-7 % 3", 2),
        ("7 / 2", 3.5),
        ("--1", 1),
        ("width == 64 and i == 0", True),
        ("0 or 5", 5),
        ("not wide", False),
        ("1 < 2 < 2", False),
        ("2 if i == 0 else 1", 2),
        ("1 if false else 2 if true else 3", 2),
        ("widths[i] + widths[-1]", 56),
        ("[1, 2, 3][1]", 2),
        ("widths[1:]", [24, 40]),
        ("widths[:-1]", [16, 24]),
        ("widths[i:i + 2]", [16, 24]),
        ("widths[:]", [16, 24, 40]),
        ("sum(widths[:0]) + len(widths[5:])", 0),
        ("24 in widths", True),
        ("sum(widths) / len(widths)", 80 / 3),
        ("min(widths) + max(1, 2)", 18),
        ("ceil(0.1) + floor(1.9)", 2),
        ("round(2.5)", 2),
        ("round(1.25, 1)", 1.2),
        ("make_divisible(width * 0.35, 8)", 24),
        ("make_divisible(3)", 8),
        ("make_divisible(11)", 16),
        ("1e-3", 0.001),
        ("  4  ", 4),
    ],
)
def test_each_construct(text: str, value: Any) -> None:
    assert value_of(text) == value
    assert python_of(text) == value


@pytest.mark.parametrize(
    ("text", "column", "said"),
    [
        ("", 0, "nothing here"),
        ("(2", 0, "never closed"),
        ("2 * heigth", 4, "no variable `heigth`"),
        ("2 * widht", 4, "did you mean `width`?"),
        ("1 + width.real", 4, "attributes"),
        ("1 + 'a'", 4, "text"),
        ("2 ** 65", 0, "an exponent is at most 64"),
        ("9 ** 9 ** 9", 0, "an exponent is at most 64"),
        ("1 + 10 ** 60", 4, "larger than 10^15"),
        ("10.0 ** -64 * 0 ** -1", 14, "division by zero"),
        ("(-8) ** 0.5", 0, "a negative number has no such power"),
        ("widths[0:2:2]", 11, "a slice here is [start:stop]"),
        ("widths[0:0.5]", 9, "the ends of a slice are whole numbers"),
        ("width[:1]", 0, "only a list can be indexed"),
        ("widths[3]", 7, "no item 3 in a list of 3"),
        ("width[0]", 0, "only a list"),
        ("1 / (i * 2)", 5, "division by zero"),
        ("1 % i", 4, "division by zero"),
        ("open(1)", 0, "no function `open`"),
        ("max(1, key=2)", 0, "keyword"),
        ("min()", 0, "takes"),
        ("round(1, -100000000)", 0, "at most 15 digits"),
        ("min([])", 0, "cannot be computed"),
        ("[1] + [2]", 0, "arithmetic needs numbers"),
        ("-widths", 1, "arithmetic needs numbers"),
        ("1 in 2", 5, "cannot be compared"),
        ("[1] < 2", 6, "cannot be compared"),
        ("99999999 * 99999999", 0, "larger than 10^15"),
        ("9" * 400, 0, "at most 300 characters"),
        ("(" * 100 + "1" + ")" * 100, 0, ""),
        ("-" * 200 + "1", 0, "too deeply"),
        ("lambda: 1", 0, "functions cannot be defined"),
        ("[i for i in widths]", 0, "comprehensions"),
        ("(i := 1)", 1, "`:=`"),
        ("i is 0", 0, "write `==`"),
        ("None", 0, "is not a number"),
        ("1j", 0, "is not a number"),
        ("no", 0, "write `false`"),
        ("Yes", 0, "write `true`"),
        ("ünder", 0, "`ü`"),
    ],
)
def test_each_refusal_says_why_and_where(text: str, column: int, said: str) -> None:
    if text.startswith("(((("):  # how deep brackets go is Python's own affair
        with suppress(ExpressionError):
            assert value_of(text) == 1
        return
    with pytest.raises(ExpressionError) as refused:
        value_of(text)
    assert said in refused.value.problem
    assert refused.value.column == column


def test_names_bound_to_other_text_are_printed_so() -> None:
    printed = to_python(parse("2 * width if i == 0 else true"), {"width": "self.width"})
    assert printed == "2 * self.width if i == 0 else True"


def widths(text: str) -> Iterator[int]:
    for value in range(1, 400):
        width = evaluate(parse(text), {"value": value})
        assert isinstance(width, int)
        yield width


def test_make_divisible_is_the_rule_of_the_mobilenets() -> None:
    """Howard et al. 2017: a multiple of 8, and never less than 90 % of what was asked for."""
    for value, width in enumerate(widths("make_divisible(value, 8)"), start=1):
        assert width % 8 == 0
        assert width >= 0.9 * value
        assert abs(width - value) <= 8
    assert all(a <= b for a, b in pairwise(widths("make_divisible(value, 8)")))
