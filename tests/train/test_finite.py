"""Weights that are not finite are found, whatever their sum is."""

import pytest
import torch

from archspec.train.finite import is_finite

INF, NAN, LARGE = float("inf"), float("nan"), 3e38


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1.0, -2.0], True),
        ([LARGE, LARGE], True),  # though their sum is not
        ([1.0, INF], False),
        ([INF, -INF], False),
        ([1.0, NAN], False),
        ([], True),
    ],
)
def test_what_is_finite(values: list[float], *, expected: bool) -> None:
    assert is_finite(torch.tensor(values)) is expected


def test_whole_numbers_are_finite() -> None:
    assert is_finite(torch.tensor(3))
