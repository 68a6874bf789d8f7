"""Receptive fields are where the gradient of one output unit is not zero."""

from dataclasses import dataclass
from typing import Any

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch.nn import functional as F  # noqa: N812 - PyTorch's own way to import it

from archspec.analysis.receptive_field import ReceptiveField
from archspec.api import check_text
from tests.ops.strategies import Ends, Padding, paddings, pair

HEIGHT, WIDTH = 190, 170

Run = Any
"""What is done to a picture, a tensor (1, 1, H, W)."""


@dataclass(frozen=True)
class Layer:
    """A row of a spec, and the same window in PyTorch, with weights of one."""

    row: str
    kernel: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]
    ends: Ends

    def run(self, picture: torch.Tensor) -> torch.Tensor:
        (top, bottom), (left, right) = self.ends
        padded = F.pad(picture, (left, right, top, bottom))
        ones = torch.ones(1, 1, *self.kernel, dtype=torch.float64)
        return F.conv2d(padded, ones, stride=self.stride, dilation=self.dilation)


def yaml(value: Any) -> str:
    """A drawn attribute as one types it."""
    return str(value).replace("(", "[").replace(")", "]").replace("'", "")


kernels = st.tuples(st.integers(1, 4), st.integers(1, 4)) | st.integers(1, 4)
steps = st.tuples(st.integers(1, 3), st.integers(1, 2)) | st.integers(1, 2)
spread = st.tuples(st.integers(1, 3), st.integers(1, 2)) | st.just(1)


@st.composite
def layers(draw: st.DrawFn) -> Layer:
    """A convolution or a pooling; the row and the window are made from the same numbers."""
    op = draw(st.sampled_from(["conv2d", "max_pool", "avg_pool"]))
    kernel, stride = pair(draw(kernels)), pair(draw(steps))
    dilation = (1, 1) if op == "avg_pool" else pair(draw(spread))
    padding = draw(paddings(3))
    if op != "conv2d" and max(map(max, padding.ends)) >= min(kernel):
        padding = Padding(0, ((0, 0), (0, 0)))
    row = f"op: {op}, kernel_size: {yaml(kernel)}, stride: {yaml(stride)}"
    row += f", padding: {yaml(padding.written)}"
    row += "" if op == "avg_pool" else f", dilation: {yaml(dilation)}"
    row += ", out_channels: 1" if op == "conv2d" else ""
    return Layer(f"{{{row}}}", kernel, stride, dilation, padding.ends)


def field_of(rows: list[str]) -> tuple[ReceptiveField, tuple[int, ...]]:
    """The field and the shape behind the last of these rows."""
    text = f"archspec: 1\nname: Net\ninput: [1, {HEIGHT}, {WIDTH}]\nlayers:\n"
    result = check_text(text + "".join(f"  - {row}\n" for row in rows))
    assume(all(d.name != "window-too-large" for d in result.diagnostics))
    assert result.ok, [d.message for d in result.diagnostics]
    assert result.network is not None
    assert result.results is not None
    shape, field = result.network.shape_of(result.network.output), result.results.fields[-1]
    assert isinstance(field, ReceptiveField)
    assert shape is not None
    return field, shape


def support(run: Run, unit: tuple[int, int]) -> tuple[tuple[int, int], tuple[int, int]]:
    """First and last row, first and last column that a unit's gradient touches."""
    picture = torch.ones(1, 1, HEIGHT, WIDTH, dtype=torch.float64, requires_grad=True)
    output = run(picture)[0, 0, unit[0], unit[1]]
    (gradient,) = torch.autograd.grad(output, picture)
    rows, columns = gradient[0, 0].nonzero(as_tuple=True)
    return (int(rows.min()), int(rows.max())), (int(columns.min()), int(columns.max()))


def claimed(field: ReceptiveField, unit: tuple[int, int]) -> list[tuple[int, int]]:
    """What `check` says this unit sees: u·stride + offset to u·stride + offset + size − 1."""
    first = [u * s + o for u, s, o in zip(unit, field.stride, field.offset, strict=True)]
    return [(int(f), int(f + size - 1)) for f, size in zip(first, field.size, strict=True)]


def inside(extents: list[tuple[int, int]]) -> bool:
    sizes = (HEIGHT, WIDTH)
    return all(a >= 0 and b < size for (a, b), size in zip(extents, sizes, strict=True))


@given(st.lists(layers(), min_size=1, max_size=4))
@settings(max_examples=150)
def test_a_unit_sees_exactly_that(chain: list[Layer]) -> None:
    field, shape = field_of([layer.row for layer in chain])

    def run(picture: torch.Tensor) -> torch.Tensor:
        for layer in chain:
            picture = layer.run(picture)
        return picture

    height, width = run(torch.zeros(1, 1, HEIGHT, WIDTH, dtype=torch.float64)).shape[2:]
    assert shape == (1, height, width)
    middle = (height // 2, width // 2)
    neighbour = (middle[0] + 1, middle[1] - 1)
    assume(inside(claimed(field, middle)))
    assume(inside(claimed(field, neighbour)))
    assert list(support(run, middle)) == claimed(field, middle)
    assert list(support(run, neighbour)) == claimed(field, neighbour)


@given(st.lists(layers(), min_size=1, max_size=4))
@settings(max_examples=60)
def test_a_unit_at_the_border_sees_no_more(chain: list[Layer]) -> None:
    field, (_, height, width) = field_of([layer.row for layer in chain])

    def run(picture: torch.Tensor) -> torch.Tensor:
        for layer in chain:
            picture = layer.run(picture)
        return picture

    for unit in ((0, 0), (height - 1, width - 1)):
        extents = claimed(field, unit)
        assume(all(b >= 0 for _, b in extents))
        try:
            seen = support(run, unit)
        except RuntimeError:  # the unit sees nothing but padding
            continue
        for (first, last), (a, b) in zip(seen, extents, strict=True):
            assert a <= first <= last <= b


@given(st.integers(1, 12), st.integers(1, 12))
def test_adaptive_pooling_sees_its_bins(down: int, across: int) -> None:
    bins = (down, across)
    assume(bins != (1, 1))

    def run(picture: torch.Tensor) -> torch.Tensor:
        return F.adaptive_avg_pool2d(picture, bins)

    field, _ = field_of([f"{{op: adaptive_avg_pool, output_size: {yaml(bins)}}}"])
    for unit in ((0, 0), (down // 2, across // 2), (down - 1, across - 1)):
        seen, said = support(run, unit), claimed(field, unit)
        for axis, size in enumerate((HEIGHT, WIDTH)):
            if size % bins[axis] == 0:
                assert seen[axis] == said[axis]
            assert said[axis][0] <= seen[axis][0] <= seen[axis][1] <= said[axis][1]


@pytest.mark.parametrize(
    "row",
    [
        "{op: adaptive_avg_pool, output_size: 1}",
        "{op: softmax, dim: 2}",
    ],
)
def test_some_ops_see_the_whole_map(row: str) -> None:
    text = f"archspec: 1\nname: Net\ninput: [2, 9, 9]\nlayers:\n  - {row}\n"
    result = check_text(text + "  - {op: conv2d, out_channels: 1, kernel_size: 1}\n")
    assert result.results is not None
    assert result.results.fields == ("global", "global")


STRETCHED = """
archspec: 1
name: Net
input: [1, 10, 8]
layers:
  - {{name: wide, op: conv2d, out_channels: 1, kernel_size: 3}}
  - {{name: one, from: input, op: {op}}}
  - {{name: met, op: {merge}, from: {read}}}
  - {{name: last, op: conv2d, out_channels: 1, kernel_size: 3}}
"""
"""A map of one place, or of one row, that is stretched over a larger one."""


WINDOWS = {
    "one place": ((3, 3), (8, 8)),
    "one place, of another form": ((5, 2), (6, 7)),
    "one row": ((4, 3), (7, 1)),
}
"""Kernels and strides of what is stretched."""


@pytest.mark.parametrize("merge", ["add", "mul"])
@pytest.mark.parametrize("read", ["[wide, one]", "[one, wide]"])
@pytest.mark.parametrize("window", WINDOWS)
def test_what_is_stretched_and_sees_a_part_of_the_picture_leaves_no_field(
    merge: str, read: str, window: str
) -> None:
    """Units see what lies around them, and a part that is the same for all: no window says that."""
    kernel, stride = WINDOWS[window]
    op = f"conv2d, out_channels: 1, kernel_size: {yaml(kernel)}, stride: {yaml(stride)}"
    result = check_text(STRETCHED.format(op=op, merge=merge, read=read))
    assert result.results is not None
    assert result.results.fields[2:] == (None, None)


def test_what_is_stretched_and_sees_the_whole_picture_is_a_gate() -> None:
    op = "conv2d, out_channels: 1, kernel_size: [10, 8]"
    result = check_text(STRETCHED.format(op=op, merge="mul", read="[wide, one]"))
    assert result.results is not None
    assert result.results.fields[2:] == ("global", "global")
    sizes = [f.size for f in result.results.ungated_fields[2:] if isinstance(f, ReceptiveField)]
    assert sizes == [(3, 3), (5, 5)]
