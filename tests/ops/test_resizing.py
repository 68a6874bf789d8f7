"""Ops that change height and width without reading windows: sizes, tensors and fields."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F  # noqa: N812 - PyTorch's own way to import it
from torch.utils.flop_counter import FlopCounterMode

from archspec.analysis.phases import Axis
from archspec.analysis.receptive_field import ReceptiveField
from archspec.api import check_text
from archspec.diagnostics import Fault
from archspec.ops import OPS_BY_NAME, Shape, Unary
from tests.ops.strategies import dilations, pair, pairs, strides

META = torch.device("meta")
Span = tuple[int, int]


@dataclass(frozen=True)
class Step:
    """Rows, and the same in PyTorch on a single channel of ones, whose outputs are never zero."""

    rows: tuple[str, ...]
    run: Callable[[torch.Tensor], torch.Tensor]


def yaml(value: Any) -> str:
    return str(value).replace("(", "[").replace(")", "]")


@st.composite
def transposed(draw: st.DrawFn) -> Step:
    kernel, stride = draw(st.integers(1, 4)), draw(st.integers(1, 3))
    dilation = draw(st.integers(1, 2))
    padding = draw(st.integers(0, dilation * (kernel - 1)))
    row = f"op: conv_transpose2d, out_channels: 1, kernel_size: {kernel}, stride: {stride}"
    row += f", padding: {padding}, dilation: {dilation}"
    ones = torch.ones(1, 1, kernel, kernel, dtype=torch.float64)

    def run(x: torch.Tensor) -> torch.Tensor:
        return F.conv_transpose2d(x, ones, stride=stride, padding=padding, dilation=dilation)

    return Step((row,), run)


@st.composite
def upsampled(draw: st.DrawFn) -> Step:
    mode = draw(st.sampled_from(["nearest", "bilinear", "aligned"]))
    options: dict[str, Any] = {"mode": "nearest" if mode == "nearest" else "bilinear"}
    if mode == "aligned":
        options["align_corners"] = True
    row = f"op: upsample, mode: {options['mode']}"
    row += ", align_corners: true" if mode == "aligned" else ""
    if draw(st.booleans()):
        factor = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
        row, options = f"{row}, scale_factor: {yaml(factor)}", options | {"scale_factor": factor}
    else:
        size = draw(st.tuples(st.integers(1, 24), st.integers(1, 24)))
        row, options = f"{row}, size: {yaml(size)}", options | {"size": size}
    return Step((row,), lambda x: F.interpolate(x, **options))


def pointwise(channels: int) -> str:
    """A row that changes the number of channels and nothing else."""
    return f"op: conv2d, out_channels: {channels}, kernel_size: 1"


def repeated(x: torch.Tensor, factor: int) -> torch.Tensor:
    """A map's places, each `factor`² times: what a pixel shuffle does to places."""
    return F.pixel_shuffle(x.expand(1, factor**2, *x.shape[2:]), factor)


shuffled = st.integers(1, 4).map(
    lambda r: Step(
        (pointwise(r * r), f"op: pixel_shuffle, upscale_factor: {r}"), lambda x: repeated(x, r)
    )
)
unshuffled = st.sampled_from([1, 2, 3, 4, 6]).map(
    lambda r: Step(
        (f"op: pixel_unshuffle, downscale_factor: {r}", pointwise(1)),
        lambda x: F.pixel_unshuffle(x, r).sum(1, keepdim=True),
    )
)
padded = st.tuples(*[st.integers(0, 3)] * 4).map(
    lambda p: Step(
        (f"op: zero_pad2d, padding: [[{p[0]}, {p[1]}], [{p[2]}, {p[3]}]]",),
        lambda x: F.pad(x, (p[2], p[3], p[0], p[1])),
    )
)
windows = st.tuples(st.integers(1, 3), st.integers(1, 2)).map(
    lambda w: Step(
        (f"op: conv2d, out_channels: 1, kernel_size: {w[0]}, stride: {w[1]}",),
        lambda x: F.avg_pool2d(x, w[0], w[1]),
    )
)
resizing = st.one_of(transposed(), upsampled(), shuffled, unshuffled, padded)


def fields_of(steps: list[Step], shape: Shape) -> tuple[list[ReceptiveField], list[Shape]]:
    """The fields and the shapes behind every row of the steps."""
    text = f"archspec: 1\nname: Net\ninput: {list(shape)}\nlayers:\n"
    result = check_text(text + "".join(f"  - {{{row}}}\n" for step in steps for row in step.rows))
    too_small = ("window-too-large", "not-divisible", "nothing-left")
    assume(all(fault.name not in too_small for fault in result.diagnostics))
    assert result.ok, [fault.message for fault in result.diagnostics]
    assert result.network is not None
    assert result.results is not None
    fields = [field for field in result.results.fields if isinstance(field, ReceptiveField)]
    shapes = [shapes[0] for shapes in result.network.shapes if shapes is not None]
    assert len(fields) == len(shapes)
    return fields, shapes


def supports(steps: list[Step], shape: Shape) -> list[list[Span | None]]:
    """For either axis, the first and last input that each output reads; None where it reads none.

    What is read becomes NaN where the input is, though its weight be 0.
    """
    found: list[list[Span | None]] = []
    for axis, size in enumerate(shape[1:]):
        pictures = torch.ones(size, 1, *shape[1:], dtype=torch.float64)
        for place, picture in enumerate(pictures):
            picture.select(1 + axis, place).fill_(torch.nan)
        for step in steps:
            pictures = torch.cat([step.run(picture[None]) for picture in pictures])
        touched = pictures[:, 0].isnan().any(2 - axis)
        reads = [column.nonzero() for column in touched.T]
        found.append([(int(r.min()), int(r.max())) if len(r) else None for r in reads])
    return found


def inside(axes: list[Axis], sizes: list[int]) -> tuple[int, int]:
    """The first pixel and the last that a unit may see which no border cuts.

    A map ends in either direction: what a unit would see there of units that are not there is cut,
    and the padding that is there instead sees nothing.
    """
    before = [a.of(v) for a in axes for v in range(-a.period, 0)]
    behind = [a.of(n + v) for a, n in zip(axes, sizes, strict=True) for v in range(a.period)]
    first = max(span[0] for span in before if span) + 1
    return first, min(span[1] for span in behind if span) - 1


@given(st.lists(st.one_of(windows, resizing), min_size=1, max_size=4), st.sampled_from([12, 24]))
@settings(max_examples=300, deadline=None)
def test_units_see_exactly_that(steps: list[Step], height: int) -> None:
    """At a border they see no more; elsewhere the first and the last that they may.

    But a blend that would begin before the first input reads the first two, one with weight 0.
    """
    blends = any("bilinear" in row for step in steps for row in step.rows)
    shape = (1, height, 12)
    fields, shapes = fields_of(steps, shape)
    said, whole = [], []
    for axis in (0, 1):
        axes = [Axis(), *(field[axis] for field in fields)]
        sizes = [shape[1 + axis], *(output[1 + axis] for output in shapes)]
        start, end = inside(axes, sizes)
        spans = [axes[-1].of(unit) for unit in range(sizes[-1])]
        said.append(spans)
        whole.append([span is None or (span[0] >= start and span[1] <= end) for span in spans])
    for axis, seen in enumerate(supports(steps, shape)):
        across = zip(said[1 - axis], whole[1 - axis], strict=True)
        is_seen = any(span and is_whole for span, is_whole in across)
        for computed, span, is_whole in zip(said[axis], seen, whole[axis], strict=True):
            if span is not None and not blends:
                assert computed is not None
                assert computed[0] <= span[0] <= span[1] <= computed[1]
            if is_whole and is_seen and not fields[-1].bound:
                assert computed == span


def make(name: str, **attributes: Any) -> Unary:
    op = OPS_BY_NAME[name](**attributes)
    assert isinstance(op, Unary)
    return op


def run(module: nn.Module, shape: Shape) -> tuple[Shape, int]:
    """The shape that PyTorch gives, () where it refuses or nothing is left, and its FLOPs."""
    with FlopCounterMode(display=False) as counter:
        try:
            output = tuple(module(torch.empty(1, *shape, device=META)).shape[1:])
        except RuntimeError as error:
            if re.search(r"output|negative dimension", str(error)):
                return (), 0
            raise
    return () if 0 in output else output, counter.get_total_flops()


@given(
    st.tuples(st.integers(1, 4), st.integers(1, 9), st.integers(1, 9)),
    pairs,
    strides,
    dilations,
    st.tuples(st.integers(0, 4), st.integers(0, 4)),
    st.tuples(st.integers(0, 4), st.integers(0, 4)),
    st.integers(1, 3),
    st.booleans(),
)
@settings(max_examples=300)
def test_a_transposed_convolution_is_pytorchs(
    shape: Shape, kernel: Any, stride: Any, dilation: Any, padding: Any, extra: Any, groups: int,
    bias: Any,
) -> None:  # fmt: skip
    """Its size, or refusal; its tensors; and its operations, half of PyTorch's FLOPs."""
    shape = (groups * shape[0], *shape[1:])
    sizes = {"kernel_size": kernel, "stride": stride, "dilation": dilation, "groups": groups}
    attributes = {"out_channels": 2 * groups, "output_padding": extra, "bias": bias, **sizes}
    padded_by = {"height": padding[0], "width": padding[1]}
    op = make("conv_transpose2d", padding=padded_by, **attributes)
    module = nn.ConvTranspose2d(
        shape[0],
        2 * groups,
        kernel_size=pair(kernel),
        stride=pair(stride),
        dilation=pair(dilation),
        padding=padding,
        output_padding=extra,
        groups=groups,
        bias=bias,
        device=META,
    )
    theirs, flops = run(module, shape)
    try:
        ours = op.output_shape(shape)
    except Fault:
        ours = ()
    assert ours == theirs
    if not ours:
        return
    held = {name: tuple(value.shape) for name, value in module.state_dict().items()}
    assert {tensor.name: tensor.shape for tensor in op.state(shape)} == held
    counts = op.counts(shape, ours)
    assert counts is not None
    assert 2 * counts.macs == flops
    (line,) = [text.how for text in op.macs_text(shape)]
    assert line.replace(" ", "").endswith(f"={counts.macs}")
