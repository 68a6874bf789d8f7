"""Random windows: kernels, strides, dilations and every form of padding."""

from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

Ends = tuple[tuple[int, int], tuple[int, int]]
"""Padding as ((top, bottom), (left, right))."""

pairs = st.tuples(st.integers(1, 5), st.integers(1, 5)) | st.integers(1, 5)
strides = st.tuples(st.integers(1, 4), st.integers(1, 4)) | st.integers(1, 4)
dilations = st.tuples(st.integers(1, 3), st.integers(1, 3)) | st.just(1)
shapes = st.tuples(st.integers(1, 6), st.integers(1, 24), st.integers(1, 24))


def pair(value: Any) -> tuple[int, int]:
    """A size as (height, width)."""
    return (value, value) if isinstance(value, int) else tuple(value)


@dataclass(frozen=True)
class Padding:
    """Padding as it is written, and the rows and columns it is meant to add."""

    written: Any
    ends: Ends


@st.composite
def paddings(draw: st.DrawFn, most: int = 4) -> Padding:
    """Every form that names its numbers, with what it says by the language's definition."""
    n = st.integers(0, most)
    top, bottom, left, right = draw(st.tuples(n, n, n, n))
    forms: list[tuple[Any, Ends]] = [
        (top, ((top, top), (top, top))),
        ([top, bottom], ((top, bottom), (top, bottom))),
        ([[top, bottom], [left, right]], ((top, bottom), (left, right))),
        ({"height": top, "width": left}, ((top, top), (left, left))),
        ({"height": [top, bottom]}, ((top, bottom), (0, 0))),
        ({"height": top, "width": [left, right]}, ((top, top), (left, right))),
        ("valid", ((0, 0), (0, 0))),
    ]
    return Padding(*draw(st.sampled_from(forms)))
