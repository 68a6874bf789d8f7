"""Rows of a table that a network is given have a class, so that nobody counts their columns."""

from typing import Any

import pytest
import torch

from archspec.api import Check
from tests.targets.networks import body, check, generate, module_of

TABLES: dict[str, list[dict[str, Any]]] = {
    "small": [{"width": 4, "kernel": 3, "stride": 1}, {"width": 8, "kernel": 1, "stride": 2}],
    "large": [{"width": 8, "kernel": 5, "stride": 2}],
}


def family(tables: dict[str, list[dict[str, Any]]], **row: Any) -> Check:
    keys = {"out_channels": "width", "kernel_size": "kernel", "stride": "stride", "padding": 2}
    step = {"op": "conv2d", "each": "stages", **{k: v for k, v in (keys | row).items() if v}}
    variants = {name: {"stages": rows} for name, rows in tables.items()}
    rows = [{"name": "body", "layers": [step]}]
    return check(rows, (3, 16, 16), vars={"stages": None}, variants=variants)


def test_the_rows_are_a_class_and_the_loop_reads_its_fields() -> None:
    text = generate(family(TABLES))
    assert "class StageConfig(NamedTuple):\n    width: int\n    kernel: int\n" in text
    assert "stages: tuple[StageConfig, ...]" in text
    assert "for config in stages:" in text
    assert "kernel_size=config.kernel" in text
    assert "StageConfig(4, 3, 1)" in text


def test_it_makes_what_the_rows_say() -> None:
    module = module_of(family(TABLES))
    made = module.small()
    assert [tuple(p.shape) for p in made.parameters()] == [(4, 3, 3, 3), (4,), (8, 4, 1, 1), (8,)]
    assert made(torch.zeros(1, 3, 16, 16)).shape == (1, 8, 11, 11)
    (row,) = (module.StageConfig(2, 1, 1),)
    assert next(module.Net((row,)).parameters()).shape == (2, 3, 1, 1)


def test_truth_values_stand_behind_their_names() -> None:
    rows = {n: [{"width": k, "kernel": 3, "biased": True}] for n, k in (("small", 4), ("large", 5))}
    text = generate(family(rows, stride=None, bias="biased"))
    assert "    biased: bool\n" in text
    assert "StageConfig(width=4, kernel=3, biased=True)" in text


def test_two_columns_are_unpacked() -> None:
    rows = {
        n: [{"width": 4, "kernel": 3}, {"width": k, "kernel": 1}] for n, k in (("a", 4), ("b", 5))
    }
    text = body(generate(family(rows, stride=None)))
    assert "stages: tuple[tuple[int, int], ...]" in text
    assert "for width, kernel in stages:" in text


@pytest.mark.parametrize("column", ["count", "index"])
def test_a_column_that_is_called_as_what_tuples_have_stays_in_a_tuple(column: str) -> None:
    rows = {n: [{"width": k, "kernel": 3, column: k % 3}] for n, k in (("a", 4), ("b", 5))}
    checked = family(rows, stride=column)
    assert "NamedTuple" not in generate(checked)
    assert module_of(checked).b()(torch.zeros(1, 3, 16, 16)).shape[1] == 5


def test_a_part_of_a_table_has_the_same_rows() -> None:
    rows = {
        "a": [{"width": w, "kernel": 1, "stride": 1} for w in (2, 3, 4)],
        "b": [{"width": w, "kernel": 3, "stride": 1} for w in (5, 3, 4)],
    }
    text = generate(family(rows, each="stages[1:]"))
    assert "for config in stages[1:]:" in text


def test_a_block_that_is_given_the_table_unpacks_its_rows() -> None:
    block = {
        "args": {"rows": None},
        "layers": [
            {"op": "conv2d", "each": "rows", "out_channels": "width", "kernel_size": "kernel"}
        ],
    }
    tables = {
        "small": [{"width": 4, "kernel": 3, "stride": 1}, {"width": 8, "kernel": 1, "stride": 2}],
        "large": [{"width": 8, "kernel": 5, "stride": 2}],
    }
    checked = check(
        [{"name": "body", "op": "Body", "rows": "stages"}],
        (3, 16, 16),
        vars={"stages": None},
        blocks={"Body": block},
        variants={name: {"stages": rows} for name, rows in tables.items()},
    )
    text = generate(checked)
    assert "for width, kernel, _stride in rows:" in text
    assert module_of(checked).small()(torch.zeros(1, 3, 16, 16)).shape == (1, 8, 14, 14)
    assert "StageConfig" in text
