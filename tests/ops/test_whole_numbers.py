"""What is a whole number stays one, however it is written: 48.0, as `96 / 2` gives it, is 48."""

from random import Random
from typing import Any

import pytest
from pydantic import ValidationError

from archspec.api import check_text, write
from archspec.ops import OPS_BY_NAME
from archspec.targets.torch.run import instantiate
from archspec.targets.torch.signatures import BadCall, bind
from tests.fuzz.samples import ATTRIBUTES
from tests.fuzz.sampling import sample
from tests.targets.networks import batch

NUMBERS = {
    *("alpha", "beta", "k", "eps", "momentum", "p", "negative_slope", "init_value"),
    *("min_val", "max_val", "threshold"),
}
"""Attributes that are any number, and stay what they are."""


def divided(value: Any) -> Any:
    """The value with all its whole numbers as a division gives them."""
    if isinstance(value, list):
        return [divided(item) for item in value]
    if isinstance(value, dict):
        return {key: divided(item) for key, item in value.items()}
    return float(value) if type(value) is int else value


def kinds(value: Any) -> Any:
    """The types of a value's numbers."""
    return [kinds(item) for item in value] if isinstance(value, tuple) else type(value)


@pytest.mark.parametrize(
    ("op", "attribute"), [pair for pair in ATTRIBUTES if pair[1] not in NUMBERS]
)
def test_what_a_division_gives_is_read_as_a_whole_number(op: str, attribute: str) -> None:
    rng = Random(0)  # noqa: S311 - it draws examples
    for shape in ((4, 8, 8), (4,), (9, 6, 1)):
        for _ in range(10):
            given = sample(rng, op, shape, attribute) or {}
            if attribute not in given:
                continue
            try:
                read = OPS_BY_NAME[op](**{**given, attribute: divided(given[attribute])})
            except ValidationError:
                continue  # nothing but whole numbers is taken
            expected = getattr(OPS_BY_NAME[op](**given), attribute)
            assert getattr(read, attribute) == expected
            assert kinds(getattr(read, attribute)) == kinds(expected)


def test_dimensions_that_are_computed_are_written_as_whole_numbers() -> None:
    text = """
archspec: 1
name: Net
input: [3, 4, 5]
vars: {two: 2}
layers:
  - {name: turned, op: permute, dims: [0, two, 3, two / 2]}
  - {name: fc, op: linear, out_features: 6}
  - {name: back, op: permute, dims: [0, 3, two / 2, two]}
"""
    module = instantiate(write(check_text(text), "torch"))
    assert module(batch((3, 4, 5)).float()).shape == (2, 6, 4, 5)


@pytest.mark.parametrize(
    ("head", "arguments"),
    [
        ("Permute", (0, 2, 3, 1.0)),
        ("torch.permute", ((0, 2, 3, 1.0),)),
        ("nn.MaxPool2d", ((2, 2.0),)),
        ("nn.LayerNorm", ([4, 5.0],)),
    ],
)
def test_other_numbers_are_refused_where_code_is_compared(head: str, arguments: Any) -> None:
    with pytest.raises(BadCall):
        bind(head, arguments, {})
