"""Statements that are repeated but for their numbers become a loop over those."""

from itertools import count
from textwrap import indent

import pytest

from archspec.targets.python import tree
from archspec.targets.python.printer import statements
from archspec.targets.torch.rows.folding import folded
from tests.targets.networks import Row, body, check, generate, made_by, members_of, module_of
from tests.targets.reader import read

LENGTHS = {"depths": 3, "widths": 4}


def after(text: str) -> str:
    numbers = count(2)

    def fresh(name: str) -> str:
        return name if name != "taken" else f"{name}{next(numbers)}"

    (function,) = read("def f():\n" + indent(text, "    "))
    assert isinstance(function, tree.Function)
    return "\n".join(statements(folded(function.body, LENGTHS.get, fresh), 0))


def lines(template: str, *values: object) -> str:
    return "\n".join(template.format(value) for value in values)


def test_calls_that_differ_in_a_number_are_a_loop() -> None:
    text = lines("a.append(f(x, width={0}))\nif x:\n    a.append(g({0}))", 1, 2, 4)
    assert after(text).splitlines() == [
        "for width in (1, 2, 4):",
        "    a.append(f(x, width=width))",
        "    if x:",
        "        a.append(g(width))",
    ]


def test_the_items_of_a_list_are_gone_through() -> None:
    text = lines("for _ in range(depths[{0}]):\n    a.append(f(8))\na.append(g(x))", 0, 1, 2)
    assert after(text).startswith("for depth in depths:\n    for _ in range(depth):\n")


def test_a_list_and_numbers_are_zipped() -> None:
    text = "\n".join(
        f"for _ in range(depths[{i}]):\n    a.append(f({n}))\na.append(g(x))"
        for i, n in enumerate((8, 16, 16))
    )
    assert after(text).startswith("for depth, width in zip(depths, (8, 16, 16), strict=True):\n")


@pytest.mark.parametrize(
    "text",
    [
        lines("a.append(f({0}))", 1, 2, 3),  # nothing is won
        lines("a.append(f({0}))\na.append(g({0}))\na.append(h({0}))", 1, 2),  # twice
        lines("a.append({0}(1))\nif x:\n    a.append(g(2))", "f", "g", "h"),  # no numbers
        lines(
            "for _ in range(widths[{0}]):\n    a.append(f(8))\na.append(g(x))", 0, 1, 2
        ),  # not all
        lines("for _ in range(depths[{0}]):\n    a.append(f(8))\na.append(g(x))", 2, 1, 0),  # order
        lines("a.append(f({0}))\nif x:\n    a.append(g(1))", 1, 2, 0.5),  # another kind of number
    ],
)
def test_what_is_no_such_thing_stays(text: str) -> None:
    assert after(text) == text


def stages(last: int) -> list[Row]:
    rows: list[Row] = []
    for i, width in enumerate((8, 16, last)):
        conv = {"op": "conv2d", "out_channels": width, "kernel_size": 3, "padding": 1}
        norm = {"norm": "norm"}
        rows.append({**conv, **norm, "activation": "relu", "repeat": f"depths[{i}]"})
        rows.append({"op": "max_pool", "kernel_size": 2})
    return rows


@pytest.mark.parametrize("last", [16, 32])
def test_stages_of_a_family_are_a_loop_that_makes_the_same(last: int) -> None:
    variants = {
        "small": {"depths": [1, 1, 2], "norm": "batch_norm"},
        "large": {"depths": [2, 2, 3], "norm": False},
    }
    checked = check(
        [{"name": "features", "layers": stages(last)}],
        (3, 32, 32),
        vars={"depths": None, "norm": None},
        variants=variants,
    )
    text = body(generate(checked))
    assert f"for depth, width in zip(depths, (8, 16, {last}), strict=True):" in text
    module = module_of(checked)
    for member in members_of(checked):
        made = made_by(module, member)
        assert member.totals.num_params == sum(p.numel() for p in made.parameters())
